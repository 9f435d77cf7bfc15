"""Fixtures that all tests share: rendered scenes, a small Cityscapes tree, and the real data where it is at hand."""

import os
import resource
import shutil
import signal
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from tiny_networks import tiny_model

from partwise import machine, terminal
from partwise.cli import main
from partwise.data.streets import Streets, render_dataset
from partwise.device import find_device

# Examples are the same in every run; HYPOTHESIS_PROFILE=default looks for new ones. Time says nothing: other tests run
# beside these.
settings.register_profile("repeatable", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeatable"))


def pytest_configure() -> None:
    """One thread of torch in each process: the tests themselves share the cores (`make test`)."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest tests first, so that in the end no process waits long for another."""
    items.sort(key=lambda item: item.get_closest_marker("learning") is None)


@pytest.fixture(autouse=True)
def no_line_of_progress(monkeypatch):
    """On a busy machine a command may take so long that it says what it does, among the lines that a test counts."""
    monkeypatch.setattr(terminal, "QUIET_SECONDS", 1e6)


@pytest.fixture(autouse=True)
def no_limit_of_memory(monkeypatch):
    """Commands that run inside the process of the tests would limit the memory of all later tests."""
    monkeypatch.setattr(machine, "limit_memory", lambda *_: None)


@pytest.fixture(autouse=True)
def usual_signals():
    """Signals act as in a terminal, also where the tests run under nohup or in the background of a shell."""
    usual = {signal.SIGINT: signal.default_int_handler, signal.SIGHUP: signal.SIG_DFL, signal.SIGTERM: signal.SIG_DFL}
    before = {number: signal.signal(number, handler) for number, handler in usual.items()}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture(scope="session")
def shared_root() -> Path:
    """The folder `shared` beside the repository, with real frames and weights; skips where there is none."""
    root = Path(__file__).resolve().parents[2] / "shared"
    if not root.is_dir():
        pytest.skip(f"needs the real data and weights in {root}")
    return root


@pytest.fixture(scope="module")
def module_folder(tmp_path_factory):
    """A folder for the fixtures of one module. It is removed after the module: all of them together are a gigabyte."""
    folder = tmp_path_factory.mktemp("module")
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


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


@pytest.fixture(scope="session")
def tiny_model_file(tmp_path_factory) -> Path:
    """A model file of part maps with random weights. Read only."""
    return tiny_model(tmp_path_factory.mktemp("models") / "model.safetensors")


@pytest.fixture
def auto_is_elsewhere(monkeypatch):
    """The device "auto" is not the CPU, as on a machine with a GPU. "meta" stands for it: CPU tensors do not mix."""
    monkeypatch.setattr("partwise.segmenter.find_device", lambda name: "meta" if name == "auto" else find_device(name))


@pytest.fixture
def predict(tiny_model_file, capsys):
    """Runs `partwise predict` with a tiny model; gives (exit code, what it printed, its complaints)."""

    def run(*arguments) -> tuple[int, str, list[str]]:
        code = 0
        try:
            main(["predict", *map(str, arguments), "--model", str(tiny_model_file)])
        except SystemExit as ended:
            code = ended.code
        said = "".join(capsys.readouterr())
        assert "Traceback" not in said
        return code, said, [line for line in said.splitlines() if line.startswith("partwise: ")]

    return run


@pytest.fixture
def nothing_hangs():
    """Ends a test that waits for ever, such as for a pipe that nobody writes into, after a minute."""

    def give_up(*_):
        pytest.fail("this hangs")

    previous = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(60)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, previous)


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
