"""The command line itself: the verbs hang on `app`, `main` turns a person's mistake into one line."""

from __future__ import annotations

import errno
import io
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import App, CycloptsError, Parameter

import partwise
from partwise.errors import PartwiseError
from partwise.files import write_json
from partwise.machine import is_main_process, keep_freed_memory
from partwise.terminal import console, errors, heartbeat, warnings_in_one_line

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
Scale = Annotated[
    float | None,
    Parameter(
        help="the network sees an image so many times as large; without it as the model says, see docs/concepts.md"
    ),
]
Scales = Annotated[
    list[float] | None,
    Parameter(
        help="the network sees an image so many times as large; given several times, what is found at any size; "
        "without it as the model says, see docs/concepts.md"
    ),
]

Flip = Annotated[
    bool,
    Parameter(help="the network sees the mirror image, too, and what it says of both is averaged: twice the time"),
]


def height_and_width(option: str, text: str) -> tuple[int, int]:
    """ "512x256", as it was given to an option, -> (256, 512). Raises PartwiseError for anything else."""
    width, _, height = text.partition("x")
    if not (width.isdecimal() and height.isdecimal() and int(width) and int(height)):
        raise PartwiseError(f"{option} {text}: give WIDTHxHEIGHT in pixels, such as 512x256")
    return int(height), int(width)


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
    for stream in (sys.stdout, sys.stderr):  # a terminal may know fewer letters than a file's name has
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        with heartbeat.silenced(not is_main_process()), heartbeat.running(), warnings_in_one_line():
            app(arguments, exit_on_error=False, print_error=False)
    except (PartwiseError, CycloptsError) as error:
        lines = str(error).splitlines() if isinstance(error, PartwiseError) else [" ".join(str(error).split())]
        for line in lines:
            errors.print(f"partwise: {line}", style="red")
        sys.exit(2)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EIO) or error.filename is not None:
            raise
        errors.print(f"partwise: cannot print: {error.strerror.lower()}: send the output elsewhere", style="red")
        sys.exit(2)
    except KeyboardInterrupt as error:
        errors.print(f"partwise: {error}" if str(error) else "partwise: stopped")
        sys.exit(130)
