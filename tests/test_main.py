"""The program from its first moment: Ctrl-C ends it in one line, whatever it is importing."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import partwise
import streeteval
from partwise.__main__ import _interrupt

SOURCES = os.pathsep.join(str(Path(one.__file__).resolve().parents[1]) for one in (partwise, streeteval))
INTERRUPTED = """
import os, signal, time
try:
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(20)
except BaseException:  # NumPy does so with what its C code imports
    raise ImportError("something could not be imported") from None
"""


def run_with(stand_in: Path, *arguments: str) -> subprocess.CompletedProcess:
    """The command with a module of its imports replaced."""
    path = os.pathsep.join([str(stand_in), SOURCES])
    return subprocess.run(
        [sys.executable, "-m", "partwise", *arguments],
        env=os.environ | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.parametrize(
    ("module", "arguments"),
    [
        ("numpy", ["--help"]),
        ("cyclopts", ["--help"]),
        ("PIL", ["predict", "photo.png", "--out", "out"]),
    ],
)
def test_ctrl_c_during_an_import_is_one_line(tmp_path, module, arguments):
    (tmp_path / module).mkdir()
    (tmp_path / module / "__init__.py").write_text(INTERRUPTED)
    done = run_with(tmp_path, *arguments)
    assert (done.returncode, done.stderr, done.stdout) == (130, "partwise: stopped\n", "")


def test_ctrl_c_after_the_end_is_no_traceback():
    """Processes and threads may still have to end."""
    code = """
import atexit, os, signal, sys, time
from partwise.__main__ import main
atexit.register(lambda: (os.kill(os.getpid(), signal.SIGINT), time.sleep(20)))
sys.argv = ["partwise", "--version"]
main()
"""
    environment = os.environ | {"PYTHONPATH": SOURCES}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (-signal.SIGINT, "")


def test_ctrl_c_at_any_other_time_is_a_keyboard_interrupt():
    """Also where something else imports: it may have begun to write."""
    with pytest.raises(KeyboardInterrupt):
        _interrupt(signal.SIGINT, sys._getframe())


def test_the_package_is_imported_without_what_takes_time():
    code = "import sys, partwise; sys.exit(any(name in sys.modules for name in ('numpy', 'torch', 'PIL')))"
    subprocess.run([sys.executable, "-c", code], env=os.environ | {"PYTHONPATH": SOURCES}, check=True, timeout=60)


def test_every_name_of_the_package_is_there():
    for name in partwise.__all__:
        assert getattr(partwise, name).__module__.startswith(("partwise.", "streeteval.")) or name == "CITYSCAPES"
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        partwise.nothing
