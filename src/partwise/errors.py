"""The one exception that is a user's mistake and not a fault of the program, and the one warning."""

from __future__ import annotations

import difflib
import warnings
from collections.abc import Iterable

__all__ = [
    "EXTRAS",
    "MOST_NAMED",
    "ForeignFileError",
    "PartwiseError",
    "PartwiseWarning",
    "in_one_line",
    "missing_extra",
    "on_one_line",
    "placed",
    "unknown_name",
    "warn_of",
]


class PartwiseError(Exception):
    """What is wrong, where, which value, and what to do, in one line.

    The command line prints the line and exits with 2; nothing else in the package catches it.
    """


# Module -> the extra of partwise that installs it.
EXTRAS = {
    "accelerate": "train",
    "jinja2": "report",
    "matplotlib": "report",
    "hotcoco": "eval",
    "supervision": "supervision",
    "tensorboard": "tensorboard",
    "cityscapesscripts": "bench",
}


def missing_extra(error: ModuleNotFoundError) -> PartwiseError | None:
    """The error to show for a library that is not installed.

    Returns:
        What to install, or None where the module belongs to no extra, so that something else is wrong.

    >>> print(missing_extra(ModuleNotFoundError(name="matplotlib.figure")))
    matplotlib is not installed: pip install 'partwise[report]'
    """
    module = (error.name or "").split(".")[0]
    if module not in EXTRAS:
        return None
    return PartwiseError(f"{module} is not installed: pip install 'partwise[{EXTRAS[module]}]'")


class ForeignFileError(PartwiseError):
    """A file of somebody else stands where one is to be written; nothing was changed."""


def on_one_line(text: str) -> str:
    r"""`text` with control characters, such as a line break in a file's name, as escapes.

    >>> print(on_one_line("two\nlines.png"))
    two\nlines.png
    """
    return "".join(letter if ord(letter) > 159 or 32 <= ord(letter) < 127 else _escape(letter) for letter in text)


def _escape(letter: str) -> str:
    return letter.encode("unicode_escape").decode("ascii")


class PartwiseWarning(UserWarning):
    """What a person should look at, in one line: nothing stops, but a result may not be what was meant."""


def warn_of(where: str, remarks: Iterable[str]) -> None:
    """Give a PartwiseWarning for each remark "what: what to do"; `where` names what they are about, such as a file."""
    for remark in remarks:
        warnings.warn(f"{placed(where)}{remark}", PartwiseWarning, stacklevel=3)


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
    near = [other for other in known if other.lower() == name.lower()]
    near += [other for other in difflib.get_close_matches(name, known, n=4, cutoff=0.5) if other not in near]
    hint = f"did you mean {near[0]!r}? " if near else ""
    listed = f"Known: {', '.join(known) or 'none'}"
    if len(known) > MOST_NAMED and lister:
        listed = f"Others like it: {', '.join(near[1:])}; " if near[1:] else ""
        listed += f"{lister} lists all {len(known)}"
    return PartwiseError(f"{placed(where)}unknown {kind} {name!r}: {hint}{listed}")
