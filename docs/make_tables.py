"""Write the tables of the Markdown pages from results/*.json; `make tables` runs this.

A page holds a table between two comments, and this command replaces what stands between them:

    <!-- table: NAME -->
    <!-- end -->

`--check` writes nothing and fails where a page differs from the figures.
"""

import sys

from tables.pages import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
