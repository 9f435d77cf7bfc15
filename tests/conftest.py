"""Fixtures that all tests share: rendered scenes, a small Cityscapes tree, and the real data where it is at hand."""

import os
import resource
import signal
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import settings

from partwise.cli import main
from partwise.data.streets import Streets, render_dataset

# Examples are the same in every run; HYPOTHESIS_PROFILE=default looks for new ones.
settings.register_profile("repeatable", derandomize=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeatable"))


@pytest.fixture(scope="session")
def shared_root() -> Path:
    """The folder `shared` beside the repository, with real frames and weights; skips where there is none."""
    root = Path(__file__).resolve().parents[2] / "shared"
    if not root.is_dir():
        pytest.skip(f"needs the real data and weights in {root}")
    return root


@pytest.fixture(scope="session")
def city_root(tmp_path_factory) -> Path:
    """A small rendered Cityscapes tree: train (6 scenes) and val (3), 256x128. Read only."""
    root = tmp_path_factory.mktemp("city")
    render_dataset(root, {"train": 6, "val": 3}, size=(128, 256), seed=1)
    return root


@pytest.fixture(scope="session")
def scenes() -> list:
    """Four rendered scenes of 256x128."""
    return list(Streets(4, (128, 256), seed=2))


@pytest.fixture
def says(capsys):
    """Runs the command and gives what it printed."""

    def run(*arguments) -> str:
        main([str(argument) for argument in arguments])
        return capsys.readouterr().out

    return run


@pytest.fixture
def fails(capsys):
    """Runs the command, which must end with exit code 2 and no traceback; gives all that it printed."""

    def run(*arguments, code: int = 2) -> str:
        with pytest.raises(SystemExit) as ended:
            main([str(argument) for argument in arguments])
        said = "".join(capsys.readouterr())
        assert ended.value.code == code, said
        assert "Traceback" not in said
        return said

    return run


@pytest.fixture
def complains(fails):
    """The same; gives the complaint, which must be one line. Progress and notes come before it."""

    def run(*arguments, code: int = 2) -> str:
        said = fails(*arguments, code=code)
        lines = [line for line in said.splitlines() if line.startswith("partwise: ")]
        assert len(lines) == 1, said
        return lines[0]

    return run


@pytest.fixture
def disk_full_after():
    """A context: inside it, writing more than so many bytes into one file fails as on a full disk."""

    @contextmanager
    def limit(size: int):
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        previous = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
            signal.signal(signal.SIGXFSZ, previous)

    return limit


@pytest.fixture
def open_files_left():
    """A context: inside it, this process can open so many more files."""

    @contextmanager
    def limit(more: int):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (len(list(Path("/proc/self/fd").iterdir())) + more, hard))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

    return limit
