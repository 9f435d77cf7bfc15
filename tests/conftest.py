"""Fixtures that all tests share: rendered scenes, a small Cityscapes tree, and the real data where it is at hand."""

import resource
import signal
from contextlib import contextmanager
from pathlib import Path

import pytest

from partwise.data.streets import Streets, render_dataset


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
