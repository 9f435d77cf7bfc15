"""The one exception that is a user's mistake and not a fault of the program."""

import difflib
from collections.abc import Iterable


class PartwiseError(Exception):
    """What is wrong, where, which value, and what to do, in one line.

    The command line prints the line and exits with 2; nothing else in the package catches it.
    """


def unknown_name(kind: str, name: str, known: Iterable[str], where: str = "") -> PartwiseError:
    """The error for a name that is not among the known ones, with the nearest known name.

    where   the file that holds it

    >>> print(unknown_name("recipe", "fcn8", ["fcn8s", "fcn16s", "parts"]))
    unknown recipe 'fcn8': did you mean 'fcn8s'? Known: fcn16s, fcn8s, parts
    """
    known = sorted(known)
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}? " if near else ""
    place = f"{where}: " if where else ""
    return PartwiseError(f"{place}unknown {kind} {name!r}: {hint}Known: {', '.join(known)}")
