"""`python -m partwise` is `partwise`."""

from partwise.cli import main

main()
