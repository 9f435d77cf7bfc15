"""The program: `partwise`, and `python -m partwise`.

The handler of Ctrl-C is set before any slow import. An interrupted import does not always raise KeyboardInterrupt:
NumPy turns it into an ImportError, for example. So Ctrl-C ends the process at once while the command line imports; no
work has begun by then.
"""

import os
import sys
from types import FrameType

STOPPED = 130  # exit code that shells give to a program which SIGINT ended
_IMPORT_SYSTEM = "<frozen importlib._bootstrap"


def main() -> None:
    """Run the command line, and end with exit code 130 when Ctrl-C is pressed."""
    try:
        import signal

        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # not if the signal is ignored
            signal.signal(signal.SIGINT, _interrupt)
        from partwise.cli import main as run

        try:
            run()
        finally:  # only the shutdown of Python and its processes remains: another Ctrl-C need not wait for it
            if signal.getsignal(signal.SIGINT) is _interrupt:
                signal.signal(signal.SIGINT, signal.SIG_DFL)
    except KeyboardInterrupt:  # raised when neither the handler nor the command line was active
        _stop()


def _stop() -> None:
    try:
        os.write(2, b"partwise: stopped\n")
    finally:  # also if nobody reads stderr
        os._exit(STOPPED)


def _interrupt(_number: int, frame: FrameType | None) -> None:
    """Handle Ctrl-C, unless a command sets a handler of its own."""
    if _is_import_of_a_verb(frame):
        _stop()
    raise KeyboardInterrupt


def _is_import_of_a_verb(frame: FrameType | None) -> bool:
    """Whether an import statement of this file or of the command line is running; commands begin with their imports."""
    importer: FrameType | None = None
    while frame is not None:
        if frame.f_code.co_filename.startswith(_IMPORT_SYSTEM):
            importer = frame.f_back
        frame = frame.f_back
    if importer is None:
        return False
    name = importer.f_globals.get("__name__", "")
    return name in ("__main__", "partwise.__main__") or name.startswith("partwise.cli")


if __name__ == "__main__":
    main()
    sys.exit()
