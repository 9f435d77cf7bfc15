"""The program: `partwise`, and `python -m partwise`.

Nothing that takes time is imported before Ctrl-C is taken care of. An interrupted import does not always raise
KeyboardInterrupt: NumPy, for one, turns it into an ImportError. So while the command line imports, Ctrl-C ends the
process at once; nothing was begun by then.
"""

import os
import sys

STOPPED = 130  # exit code, as shells have it for a program that SIGINT ended
_IMPORT_SYSTEM = "<frozen importlib._bootstrap"


def main() -> None:
    """Run the command line; see `partwise.cli.main`."""
    try:
        import signal

        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # not where somebody ignores it
            signal.signal(signal.SIGINT, _interrupt)
        from partwise.cli import main as run

        try:
            run()
        finally:  # what is left is the end of Python and of its processes: another Ctrl-C need not wait for it
            if signal.getsignal(signal.SIGINT) is _interrupt:
                signal.signal(signal.SIGINT, signal.SIG_DFL)
    except KeyboardInterrupt:  # in the moments of which neither the handler nor the command line takes care
        _stop()


def _stop() -> None:
    try:
        os.write(2, b"partwise: stopped\n")
    finally:  # with nobody to read it, too
        os._exit(STOPPED)


def _interrupt(_number, frame) -> None:
    """What Ctrl-C does, unless a verb sets something else."""
    if _is_import_of_a_verb(frame):
        _stop()
    raise KeyboardInterrupt


def _is_import_of_a_verb(frame) -> bool:
    """Whether an import statement of this file or of the command line is running; verbs begin with theirs."""
    importer = None
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
