"""The command line itself: the verbs hang on `app`, `main` turns a person's mistake into one line."""

from __future__ import annotations

import contextlib
import errno
import io
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import App, CycloptsError, Parameter

import partwise
from partwise.data.source import DataSource
from partwise.errors import PartwiseError, in_one_line, missing_extra, on_one_line
from partwise.files import ESCAPED, expanded, require_replaceable, require_writable, write_json
from partwise.machine import is_main_process, is_out_of_memory, keep_freed_memory
from partwise.plugins import Plugins
from partwise.terminal import console, errors, heartbeat, warnings_in_one_line

if TYPE_CHECKING:
    from partwise.methods.options import InferenceOptions

__all__ = [
    "NO_DATA",
    "ClassNames",
    "Data",
    "Inference",
    "data_options",
    "height_and_width",
    "keep_and_show",
    "main",
    "writes",
]

# What a verb needs is imported inside it: torch takes seconds, and `partwise --help` should not.
app = App(
    name="partwise",
    version=partwise.__version__,
    help="Every instance in a street photo with fully convolutional networks, and why.",
    result_action="return_value",
    suppress_keyboard_interrupt=False,
)
Device = Annotated[str, Parameter(help="cpu, cuda, cuda:1, or auto for a GPU where there is one")]
Precision = Annotated[
    Literal["no", "bf16", "auto"], Parameter(help="no: fp32; bf16: autocast; auto: bf16 where it is faster here")
]
Scales = Annotated[
    list[float] | None,
    Parameter(
        help="Enlarge an image by this factor before the network sees it; give it several times to find what is found "
        "at any of these sizes. Without it the model's own scale, see docs/concepts.md."
    ),
]
Flip = Annotated[
    bool,
    Parameter(help="Also show the network the mirror image, and average both outputs: better, in twice the time."),
]


ClassNames = Annotated[
    list[str] | None,
    Parameter(
        name="--map",
        help="CLASS=CLASS_OF_THE_MODEL[,...]: which classes of the model stand for a class of yours, such as "
        "vehicle=car,truck; once for each class; those of the same name stand for each other anyway; * for all that no "
        "other class takes, nothing for none",
    ),
]
Data = Annotated[DataSource, Parameter(name="*")]  # --data, --annotations, --images, --labels, --outside
NO_DATA = DataSource()
Overwrite = Annotated[bool, Parameter(help="replace files of the same names that partwise did not write, too")]


@Parameter(name="*")  # its fields are options of the verb itself
@dataclass(frozen=True)
class Inference:
    """The options of every verb that runs a model: the flags of `InferenceOptions`, without its import of torch."""

    device: Device = "cpu"
    precision: Precision = "no"
    scale: Scales = None
    flip: Flip = False

    def options(self) -> InferenceOptions:
        """Return what the library takes. Raises PartwiseError for a scale out of its limits."""
        from partwise.methods.options import InferenceOptions

        return InferenceOptions(self.scale, self.flip, self.device, self.precision)


DEFAULT_INFERENCE = Inference()


def writes(kind: str | None = None) -> Parameter:
    """For an option that names a file to write: what cannot be written is known before hours of work, not after them.

    kind   of JSON, see `written.JSON_KINDS`; None for any other file
    """

    def see(_, path: Path | None) -> None:
        if path is not None:
            require_replaceable(path, kind)
            require_writable(path.parent)

    return Parameter(validator=see)


def height_and_width(option: str, text: str) -> tuple[int, int]:
    """ "512x256", as it was given to an option, -> (256, 512). Raises PartwiseError for anything else."""
    width, _, height = text.partition("x")
    if not (width.isdecimal() and height.isdecimal() and int(width) and int(height)):
        raise PartwiseError(f"{option} {text}: give WIDTHxHEIGHT in pixels, such as 512x256")
    return int(height), int(width)


def data_options(source: DataSource) -> str:
    """The options that name a data set, for the next command."""
    options = ("data", "annotations", "images", "labels", "outside")
    given = {option: getattr(source, option) for option in options}
    return " ".join(f"--{option} {value}" for option, value in given.items() if value is not None)


def keep_and_show(json: Path | None, figures: Any, show: Callable[[], None]) -> None:
    """Write figures to the file of --json, if one is given, and show them; `show` prints.

    The file comes first: who reads what is printed may be gone (`| head`). What cannot be written is still shown.
    """
    try:
        if json is not None:
            write_json(json, figures)
    finally:
        show()
    if json is not None:
        console.print(f"wrote {json}")


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point: a mistake of the user is one line on stderr and exit code 2; Ctrl-C is 130.

    arguments   those of the command line without the program's name; sys.argv's without it
    """
    keep_freed_memory()
    given = sys.argv[1:] if arguments is None else arguments
    for stream in (sys.stdout, sys.stderr):  # a terminal may know fewer letters than a file's name has
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=ESCAPED)
    try:
        for name in (verbs := Plugins[Any]("partwise.commands", {}, "command")):
            if name not in app:  # an earlier call has added it
                app.command(verbs[name], name=name)
        with heartbeat.silenced(not is_main_process()), heartbeat.running(), warnings_in_one_line():
            app([_at_home(word) for word in given], exit_on_error=False, print_error=False)
    except (PartwiseError, CycloptsError) as error:
        lines = str(error).split("\n") if isinstance(error, PartwiseError) else [" ".join(str(error).split())]
        for line in lines:
            errors.print(f"partwise: {on_one_line(line)}", style="red")
        sys.exit(2)
    except ModuleNotFoundError as error:
        if (missing := missing_extra(error)) is None:
            raise
        errors.print(f"partwise: {missing}", style="red")
        sys.exit(2)
    except OSError as error:
        errors.print(f"partwise: {_about(error)}", style="red")
        sys.exit(2)
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        what = f"partwise: there is not enough memory ({in_one_line(error)})"
        errors.print(f"{what}: give smaller images or fewer at a time, or close other programs", style="red")
        sys.exit(2)
    except KeyboardInterrupt as error:
        with contextlib.suppress(OSError):  # a terminal that is gone may be why it was stopped
            errors.print(f"partwise: {error}" if str(error) else "partwise: stopped")
        sys.exit(130)


def _at_home(word: str) -> str:
    """An argument such as ~/x or --out=~/x with the home folder in the place of ~, whatever the shell does.

    >>> import os
    >>> _at_home("--out=~/x") == "--out=" + os.path.expanduser("~/x"), _at_home("a~b")
    (True, 'a~b')
    """
    if not word:
        raise PartwiseError("an empty argument: give a value, or see whether a variable of the shell is set")
    option = re.match(r"[\w.-]+=", word)
    name = option[0] if option else ""
    path = word[len(name) :]
    return name + str(expanded(path)) if path.startswith("~") else word


def _about(error: OSError) -> str:
    """An error of the system that no part of the program expected, in one line. Raises it where no file is to blame."""
    reason = (error.strerror or str(error)).lower()
    if error.filename is not None:
        return on_one_line(f"{error.filename}: {reason}: check the path and its permissions")
    if error.errno in (errno.ENOSPC, errno.EIO):
        return f"cannot print: {reason}: send the output elsewhere"
    raise error
