"""The one exception that is a user's mistake and not a fault of the program."""

import difflib
from collections.abc import Iterable


class PartwiseError(Exception):
    """What is wrong, where, which value, and what to do, in one line.

    The command line prints the line and exits with 2; nothing else in the package catches it.
    """


def placed(where: str) -> str:
    """How an error begins that happened `where`, such as in a file; nothing for nowhere."""
    return f"{where}: " if where else ""


def in_one_line(error: BaseException) -> str:
    """What anyone's error says, cut to one line.

    >>> in_one_line(FileNotFoundError(2, "No such file or directory", "a.png")), in_one_line(KeyError("car"))
    ('no such file or directory: a.png', "KeyError: 'car'")
    """
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower() + (f": {error.filename}" if error.filename else "")
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0][:200]}" if lines else type(error).__name__


MOST_NAMED = 24  # more names than this are no help in an error


def unknown_name(kind: str, name: str, known: Iterable[str], where: str = "", lister: str = "") -> PartwiseError:
    """The error for a name that is not among the known ones, with the nearest known name.

    where    the file that holds it
    lister   what lists the known ones, where they may be too many to name

    >>> print(unknown_name("recipe", "fcn8", ["fcn8s", "fcn16s", "parts"]))
    unknown recipe 'fcn8': did you mean 'fcn8s'? Known: fcn16s, fcn8s, parts
    """
    known = sorted(known)
    near = difflib.get_close_matches(name, known, n=4, cutoff=0.5)
    hint = f"did you mean {near[0]!r}? " if near else ""
    listed = f"Known: {', '.join(known)}"
    if len(known) > MOST_NAMED and lister:
        listed = f"Others like it: {', '.join(near[1:])}; " if near[1:] else ""
        listed += f"{lister} lists all {len(known)}"
    return PartwiseError(f"{placed(where)}unknown {kind} {name!r}: {hint}{listed}")
