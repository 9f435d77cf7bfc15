import contextlib
import errno
import json
import math
import os
import signal
import subprocess
import sys
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from partwise.errors import PartwiseError
from partwise.files import atomic_write, write_json
from streeteval.files import json_ready


def test_the_old_content_stays_until_the_end(tmp_path):
    path = tmp_path / "deep" / "er" / "a.txt"
    with atomic_write(path, "w") as file:
        file.write("one")
        file.flush()
        assert not path.exists()
    with atomic_write(path, "w", overwrite=True) as file:
        file.write("zwei ä")
        file.flush()
        assert path.read_text() == "one"
    assert path.read_text(encoding="utf-8") == "zwei ä"
    assert [p.name for p in path.parent.iterdir()] == ["a.txt"]


@pytest.mark.parametrize("fault", [ValueError("mine"), KeyboardInterrupt()])
def test_a_fault_in_the_block_leaves_no_trace_and_passes(tmp_path, fault):
    (tmp_path / "a").write_bytes(b"old")
    with pytest.raises(type(fault)), atomic_write(tmp_path / "a", overwrite=True) as file:
        file.write(b"half")
        raise fault
    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == [("a", b"old")]


def test_a_full_disk_is_said_and_leaves_no_trace(tmp_path, monkeypatch):
    def full(_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with (
        pytest.raises(PartwiseError, match=r"cannot write .*/a: no space left on device"),
        atomic_write(tmp_path / "a"),
    ):
        pass
    assert not list(tmp_path.iterdir())


def test_several_together_or_none(tmp_path):
    (tmp_path / "c").mkdir()
    with pytest.raises(PartwiseError, match="it is a folder"), contextlib.ExitStack() as together:
        for name in "abc":
            together.enter_context(atomic_write(tmp_path / name)).write(b"x")
    assert [p.name for p in tmp_path.iterdir()] == ["c"]


def test_an_error_about_another_file_is_not_blamed_on_this_one(tmp_path):
    with pytest.raises(FileNotFoundError, match="elsewhere"), atomic_write(tmp_path / "a"):
        (tmp_path / "elsewhere").read_text()
    assert not list(tmp_path.iterdir())


def test_a_kill_while_writing_leaves_the_old_file(tmp_path):
    path = tmp_path / "last"
    path.write_bytes(b"old")
    program = (
        "import sys, time; from partwise.files import atomic_write\n"
        "with atomic_write(sys.argv[1], overwrite=True) as file:\n"
        "    file.write(b'new' * 100000); file.flush(); print('writing', flush=True); time.sleep(60)"
    )
    child = subprocess.Popen([sys.executable, "-c", program, str(path)], stdout=subprocess.PIPE)
    assert child.stdout.readline() == b"writing\n"
    child.send_signal(signal.SIGKILL)
    child.wait()
    child.stdout.close()
    assert path.read_bytes() == b"old"


def test_links_and_pipes_and_permissions(tmp_path):
    (tmp_path / "real").write_text("old")
    (tmp_path / "link").symlink_to("real")
    with atomic_write(tmp_path / "link", "w", overwrite=True) as file:
        file.write("new")
    assert (tmp_path / "link").is_symlink() and (tmp_path / "real").read_text() == "new"
    (tmp_path / "plain").touch()
    assert (tmp_path / "real").stat().st_mode == (tmp_path / "plain").stat().st_mode
    os.mkfifo(tmp_path / "pipe")
    heard = []
    reader = threading.Thread(target=lambda: heard.append((tmp_path / "pipe").read_text()))
    reader.start()
    write_json(tmp_path / "pipe", [1])
    reader.join(10)
    assert json.loads(heard[0]) == [1] and (tmp_path / "pipe").is_fifo()
    receiving, sending = os.pipe()
    write_json(f"/dev/fd/{sending}", [2])
    os.close(sending)
    with os.fdopen(receiving) as file:
        assert json.load(file) == [2]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@settings(max_examples=40, deadline=None)
@given(json_values)
def test_any_value_becomes_strict_json_and_only_nan_changes(value):
    def wanted(value):
        if isinstance(value, dict):
            return {key: wanted(item) for key, item in value.items()}
        if isinstance(value, list):
            return [wanted(item) for item in value]
        return None if isinstance(value, float) and not math.isfinite(value) else value

    assert json.loads(json.dumps(json_ready(value), allow_nan=False)) == wanted(value)


def test_numpy_values(tmp_path):
    write_json(tmp_path / "a.json", {"ious": np.array([[0.5, np.nan]]), "n": np.int64(3), "ok": np.bool_(True)})
    assert json.loads((tmp_path / "a.json").read_text()) == {"ious": [[0.5, None]], "n": 3, "ok": True}
    with pytest.raises(TypeError):
        write_json(tmp_path / "a.json", object())
    assert json.loads((tmp_path / "a.json").read_text())["n"] == 3
