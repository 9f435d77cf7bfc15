"""The command `streeteval`, also `python -m streeteval`."""

from streeteval.cli import main

if __name__ == "__main__":
    main()
