"""Only one training at a time writes into a folder, and a process that has ended holds no lock."""

import errno
import fcntl
import multiprocessing
import os
import platform
import signal
import threading
import time

import pytest

from partwise import folder_lock
from partwise.errors import PartwiseError
from partwise.folder_lock import FolderLock

FORK = multiprocessing.get_context("fork")


def no_note(text):
    pytest.fail(text)


def test_a_second_owner_is_refused_and_told_who_the_first_is(tmp_path):
    folder = tmp_path / "new" / "run"
    with FolderLock(folder).held(no_note):
        words = rf"another training is writing into this folder \(process {os.getpid()} on {platform.node()}, since "
        with pytest.raises(PartwiseError, match=words) as caught, FolderLock(folder).held(no_note):
            pass
        assert "\n" not in str(caught.value)
    with FolderLock(folder).held(no_note):
        pass
    assert (folder / "lock").read_text() == ""


def hold(folder, pipe):
    with FolderLock(folder).held(no_note):
        child = FORK.Process(target=time.sleep, args=(60,))  # like a worker: it must not hold the lock as well
        child.start()
        pipe.send(child.pid)
        time.sleep(60)


def test_a_killed_owner_keeps_no_lock_though_its_children_live(tmp_path):
    ours, theirs = FORK.Pipe()
    owner = FORK.Process(target=hold, args=(tmp_path, theirs))
    owner.start()
    child = ours.recv()
    try:
        with pytest.raises(PartwiseError, match=f"process {owner.pid} "), FolderLock(tmp_path).held(no_note):
            pass
        owner.kill()
        owner.join()
        os.kill(child, 0)
        with FolderLock(tmp_path).held(no_note):
            pass
    finally:
        os.kill(child, signal.SIGKILL)


def test_a_process_that_waits_gets_the_lock_when_the_other_ends(tmp_path):
    first, order = FolderLock(tmp_path), []

    def second():
        with FolderLock(tmp_path).held(no_note, wait=True):
            order.append("second")

    waiting = threading.Thread(target=second)
    with first.held(no_note):
        waiting.start()
        time.sleep(0.2)
        order.append("first")
    waiting.join(10)
    assert order == ["first", "second"]


def test_nobody_waits_for_ever(tmp_path, monkeypatch):
    monkeypatch.setattr(folder_lock, "_WAIT_SECONDS", 0.1)
    refused = pytest.raises(PartwiseError, match="another process is writing into this folder")
    with FolderLock(tmp_path).held(no_note), refused, FolderLock(tmp_path, what="process").held(no_note, wait=True):
        pass


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS])
def test_a_drive_without_locks_is_told_and_no_obstacle(tmp_path, monkeypatch, number):
    def flock(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", flock)
    notes = []
    with FolderLock(tmp_path).held(notes.append):
        pass
    assert len(notes) == 1 and "cannot be locked" in notes[0] and "do not start another training" in notes[0]


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(PartwiseError, match=r"cannot write .*file/run/lock: not a directory"):
        FolderLock(tmp_path / "file" / "run").held(no_note).__enter__()


def test_a_full_disk_is_no_reason_to_refuse_the_lock(tmp_path, disk_full_after):
    refused = pytest.raises(PartwiseError, match=r"into this folder: wait")
    with disk_full_after(0), FolderLock(tmp_path).held(no_note), refused, FolderLock(tmp_path).held(no_note):
        pass


@pytest.mark.parametrize("how", ["removed", "replaced"])
def test_a_folder_that_is_not_ours_any_more_is_noticed(tmp_path, how):
    folder = tmp_path / "run"
    lock = FolderLock(folder)
    with lock.held(no_note):
        lock.require()
        folder.rename(tmp_path / "moved")
        if how == "replaced":
            with FolderLock(folder).held(no_note):
                pass
        with pytest.raises(PartwiseError, match="removed or replaced"):
            lock.require()
    lock.require()
