"""The command line itself: `app` holds the commands, and `main` turns a mistake of the user into one line."""

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
from partwise.errors import PartwiseError, missing_extra
from partwise.files import require_replaceable, require_writable, write_json
from partwise.machine import is_main_process, keep_freed_memory
from partwise.plugins import Plugins
from partwise.terminal import console, errors, heartbeat, warnings_in_one_line
from streeteval.errors import in_one_line, on_one_line
from streeteval.files import ESCAPED, expanded
from streeteval.machine import is_out_of_memory

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

# Each command imports what it needs inside its function: torch takes seconds, and `partwise --help` must not.
app = App(
    name="partwise",
    version=partwise.__version__,
    help="Find the instances in street photos with fully convolutional networks, and explain how they were found.",
    result_action="return_value",
    suppress_keyboard_interrupt=False,
)
Device = Annotated[
    str,
    Parameter(
        help="cpu, cuda, cuda:1, auto for a GPU if there is one; for an ONNX file also a provider's name, for an "
        "OpenVINO model a device of OpenVINO"
    ),
]
Precision = Annotated[
    Literal["no", "bf16", "auto"],
    Parameter(help="no: fp32; bf16: autocast; auto: bf16 if it is faster on this machine"),
]
Scales = Annotated[
    list[float] | None,
    Parameter(
        help="factor by which an image is enlarged for the network; can be given several times, then the instances of "
        "all sizes are joined; the default scale of the model without it"
    ),
]
Flip = Annotated[
    bool,
    Parameter(help="let the network also see the mirror image, and average both outputs; takes twice the time"),
]
Overview = Annotated[
    bool,
    Parameter(help="take objects that are too large for the windows at a scale from a smaller view of the image"),
]


ClassNames = Annotated[
    list[str] | None,
    Parameter(
        name="--map",
        help="CLASS=CLASS_OF_THE_MODEL[,...]: which classes of the model stand for a class of your data, such as "
        "vehicle=car,truck; can be given several times. Classes of the same name need no map; * stands for all classes "
        "that no other class takes, and an empty name for none.",
    ),
]
Data = Annotated[DataSource, Parameter(name="*")]  # --data, --annotations, --images, --labels, --outside
NO_DATA = DataSource()
Overwrite = Annotated[bool, Parameter(help="also replace files of the same names that partwise did not write")]


@Parameter(name="*")  # its fields are options of the command itself
@dataclass(frozen=True)
class Inference:
    """The options of every command that runs a model: the fields of `InferenceOptions`, without its import of torch.

    Attributes:
        device: Device of the network.
        precision: Precision of the network.
        scale: Factors by which an image is enlarged; None for the default scale of the model.
        flip: Whether the network also sees the mirror image.
        overview: Whether large objects are taken from a smaller view.
    """

    device: Device = "auto"
    precision: Precision = "no"
    scale: Scales = None
    flip: Flip = False
    overview: Overview = True

    def options(self) -> InferenceOptions:
        """Return the options of the library.

        Raises:
            PartwiseError: If a scale is out of range.
        """
        from partwise.methods.options import InferenceOptions

        return InferenceOptions(self.scale, self.flip, self.device, self.precision, self.overview)


DEFAULT_INFERENCE = Inference()


def writes(kind: str | None = None) -> Parameter:
    """Make an option check its file before the work begins: an error after hours of work would be too late.

    Args:
        kind: Kind of the JSON that will be written, a key of `written.JSON_KINDS`; None for any other file.

    Returns:
        The annotation of the option.
    """

    def check(_type: Any, path: Path | None) -> None:
        if path is not None:
            require_replaceable(path, kind)
            require_writable(path.parent)

    return Parameter(validator=check)


def height_and_width(option: str, text: str) -> tuple[int, int]:
    """Read a size such as "512x256" as (256, 512).

    Args:
        option: The option that has it, such as "--size".
        text: WIDTHxHEIGHT in pixels.

    Raises:
        PartwiseError: If the text has another form.
    """
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
    """Write figures to the file of --json, if it is given, and show them.

    The file is written first, because printing may fail (`| head`). If the file cannot be written, the figures are
    still shown.

    Args:
        json: The file; None for none.
        figures: What to write.
        show: Prints the figures.
    """
    try:
        if json is not None:
            write_json(json, figures)
    finally:
        show()
    if json is not None:
        console.print(f"wrote {json}")


def add_plugged_in() -> None:
    """Give `app` the commands of entry points. Those that an earlier call has added stay."""
    for name in (verbs := Plugins[Any]("partwise.commands", {}, "command")):
        if name not in app:
            app.command(verbs[name], name=name)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line. A mistake of the user is one line on stderr and exit code 2; Ctrl-C is exit code 130.

    Args:
        arguments: The arguments without the name of the program; None for those of sys.argv.
    """
    keep_freed_memory()
    given = sys.argv[1:] if arguments is None else arguments
    for stream in (sys.stdout, sys.stderr):  # a file name may have letters that the terminal cannot show
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=ESCAPED)
    try:
        add_plugged_in()
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
        with contextlib.suppress(OSError):  # the command may have been stopped because the terminal was closed
            errors.print(f"partwise: {error}" if str(error) else "partwise: stopped")
        sys.exit(130)


def _at_home(word: str) -> str:
    """Replace ~ by the home folder in an argument such as ~/x or --out=~/x, whether or not the shell did so.

    Example:
        >>> import os
        >>> _at_home("--out=~/x") == "--out=" + os.path.expanduser("~/x"), _at_home("a~b")
        (True, 'a~b')
    """
    if not word:
        raise PartwiseError("an empty argument: give a value, or check whether a variable of the shell is empty")
    option = re.match(r"[\w.-]+=", word)
    name = option[0] if option else ""
    path = word[len(name) :]
    return name + str(expanded(path)) if path.startswith("~") else word


def _about(error: OSError) -> str:
    """Describe an unexpected error of the system in one line.

    Raises:
        OSError: `error` itself, if it is not about a file or the output.
    """
    reason = (error.strerror or str(error)).lower()
    if error.filename is not None:
        return on_one_line(f"{error.filename}: {reason}: check the path and its permissions")
    if error.errno in (errno.ENOSPC, errno.EIO):
        return f"cannot print: {reason}: send the output elsewhere"
    raise error
