"""The exception for a mistake of the user, and the warning. Every other exception is a fault of the program."""

from __future__ import annotations

import difflib
import warnings
from collections.abc import Iterable

__all__ = [
    "MOST_NAMED",
    "InputError",
    "InputWarning",
    "in_one_line",
    "on_one_line",
    "placed",
    "unknown_name",
    "warn_of",
]


class InputError(Exception):
    """A mistake of the user. Its text is one line: what is wrong, where, which value, and what to do.

    The command line prints the line and exits with code 2.
    """


def on_one_line(text: str) -> str:
    r"""Replace control characters, such as a line break in a file name, by escapes.

    Example:
        >>> print(on_one_line("two\nlines.png"))
        two\nlines.png
    """
    return "".join(letter if ord(letter) > 159 or 32 <= ord(letter) < 127 else _escape(letter) for letter in text)


def _escape(letter: str) -> str:
    return letter.encode("unicode_escape").decode("ascii")


class InputWarning(UserWarning):
    """A result that may not be what the user meant, in one line. The work continues."""


def warn_of(where: str, remarks: Iterable[str]) -> None:
    """Give a InputWarning for each remark.

    Args:
        where: What the remarks are about, such as a file; "" for nothing.
        remarks: Each has the form "what: what to do".
    """
    for remark in remarks:
        warnings.warn(f"{placed(where)}{remark}", InputWarning, stacklevel=3)


def placed(where: str) -> str:
    """The beginning of an error: `where` with a colon, or nothing if `where` is empty."""
    return f"{where}: " if where else ""


def in_one_line(error: BaseException) -> str:
    """Shorten the text of any exception to one line.

    Example:
        >>> in_one_line(FileNotFoundError(2, "No such file or directory", "a.png")), in_one_line(KeyError("car"))
        ('no such file or directory: a.png', "KeyError: 'car'")
    """
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower() + (f": {error.filename}" if error.filename else "")
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0][:200]}" if lines else type(error).__name__


MOST_NAMED = 24  # an error lists at most this many names


def unknown_name(kind: str, name: str, known: Iterable[str], where: str = "", lister: str = "") -> InputError:
    """Make the error for an unknown name. It suggests the most similar known name.

    Args:
        kind: What has the name, such as "recipe".
        name: The unknown name.
        known: All known names.
        where: The file that holds the name; "" for none.
        lister: The command that lists the known names, to be named if there are too many for an error.

    Example:
        >>> print(unknown_name("recipe", "fcn8", ["fcn8s", "fcn16s", "parts"]))
        unknown recipe 'fcn8': did you mean 'fcn8s'? Known: fcn16s, fcn8s, parts
    """
    known = sorted(known)
    near = [other for other in known if other.lower() == name.lower()]
    near += [other for other in difflib.get_close_matches(name, known, n=4, cutoff=0.5) if other not in near]
    hint = f"did you mean {near[0]!r}? " if near else ""
    listed = f"Known: {', '.join(known) or 'none'}"
    if len(known) > MOST_NAMED and lister:
        listed = f"Others like it: {', '.join(near[1:])}; " if near[1:] else ""
        listed += f"{lister} lists all {len(known)}"
    return InputError(f"{placed(where)}unknown {kind} {name!r}: {hint}{listed}")
