"""Anything that ends a training gives one line, leaves no process behind, and loses nothing that was learnt."""

import contextlib
import json
import multiprocessing
import os
import shutil
import signal
import threading
import time
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file
from test_run import contents, evaluation_of, same
from tiny_networks import QUICK, Watcher, tiny_recipe

from partwise import experiment
from partwise.data.cityscapes import CityscapesFolder
from partwise.errors import PartwiseError
from partwise.training.checkpoint import load_state
from partwise.training.folder import RunFolder
from partwise.training.learner import Learner
from partwise.training.loop import train
from partwise.training.processes import lost_process
from partwise.training.record import Board
from partwise.training.stopping import Stopped, StopSwitch
from streeteval.labels import CITYSCAPES

SECONDS = 30.0  # a training must end within this time, also on a busy machine


@pytest.fixture(autouse=True)
def it_ends():
    """No test waits for ever or leaves a process behind."""
    previous = signal.signal(signal.SIGALRM, lambda *_: pytest.fail("it hangs"))
    signal.alarm(120)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, previous)
    assert multiprocessing.active_children() == []


@pytest.fixture(scope="module")
def frames(city_root):
    return CityscapesFolder(city_root, "train")


def with_workers(count=1, **training):
    recipe = tiny_recipe(**{"steps": 5, "checkpoint_every_seconds": 1000.0} | training)
    return replace(recipe, data=replace(recipe.data, workers=count))


def kill_a_worker():
    worker = multiprocessing.active_children()[0]
    worker.kill()
    worker.join()


def test_a_killed_worker_ends_the_run_in_one_line_and_it_goes_on_as_if_nothing_had_been(frames, tmp_path):
    whole, cut = RunFolder(tmp_path / "whole"), RunFolder(tmp_path / "cut")
    how, recipe = {"data_name": "tiny", "evaluate": evaluation_of(frames)}, with_workers(2)
    train(recipe, frames, whole.path, Watcher(), **how)
    words = r"worker . of 2 \(process \d+\) was ended by SIGKILL, .*: give fewer data\.workers .*; step 2 is saved"
    with pytest.raises(PartwiseError, match=words) as caught:
        train(recipe, frames, cut.path, Watcher(2, kill_a_worker), **how)
    assert "\n" not in str(caught.value)
    assert load_state(cut.state)["progress"]["step"] == 2
    train(recipe, frames, cut.path, Watcher(), **how, resume=True)
    assert same(contents(cut), contents(whole))


def test_a_worker_killed_during_an_evaluation_ends_the_run_after_it(frames, tmp_path):
    folder = RunFolder(tmp_path / "run")

    def evaluate(method):
        kill_a_worker()
        return evaluation_of(frames)(method)

    with pytest.raises(PartwiseError, match=r"SIGKILL.*step 2 is saved"):
        train(with_workers(evaluate_every_steps=2), frames, folder.path, Watcher(), data_name="tiny", evaluate=evaluate)
    assert folder.best.exists()


def test_nothing_is_saved_of_a_run_that_fails_before_its_first_step(frames, tmp_path):
    """The same command with another value must not find a run in the folder."""
    no_scenes = [SimpleNamespace(label_set=CITYSCAPES, name=name) for name in "abc"]
    with pytest.raises(PartwiseError, match=r"a worker failed \(AttributeError"):
        train(with_workers(), no_scenes, tmp_path / "run", Watcher(), data_name="tiny")
    train(with_workers(steps=1), frames, tmp_path / "run", Watcher(), data_name="tiny")


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory: 9 bytes")])
def test_a_lack_of_memory_is_one_line(frames, tmp_path, monkeypatch, error):
    def learn(*_):
        raise error

    monkeypatch.setattr(Learner, "learn", learn)
    with pytest.raises(PartwiseError, match=r"out of memory at step 0 .*training\.batch_size") as caught:
        train(with_workers(), frames, tmp_path / "run", Watcher(), data_name="tiny")
    assert "\n" not in str(caught.value)


def test_a_full_disk_is_one_line_with_workers_too(frames, tmp_path, disk_full_after):
    folder = RunFolder(tmp_path / "run")
    with disk_full_after(1_000_000), pytest.raises(PartwiseError, match=f"cannot write {folder.last}"):
        train(with_workers(2), frames, folder.path, Watcher(), data_name="tiny")


def test_a_fault_of_the_program_leaves_no_worker(frames, tmp_path):
    def fault():
        raise KeyError("a bug")

    with pytest.raises(KeyError) as caught:
        train(with_workers(2), frames, tmp_path / "run", Watcher(1, fault), data_name="tiny")
    assert multiprocessing.active_children() == []  # although the traceback still holds everything
    del caught


def test_on_the_command_line_a_fault_is_one_line_and_its_traceback_is_kept(city_root, tmp_path, complains, monkeypatch):
    def fault(*_, **__):
        raise KeyError("a bug")

    monkeypatch.setattr(experiment, "run", fault)
    line = complains("train", "demo", *QUICK, "--data", city_root, "--out", tmp_path / "run", "--steps", 1)
    assert f"a fault of the program (KeyError: 'a bug'): please report it; its traceback is in {tmp_path}" in line
    assert "in fault" in (tmp_path / "run" / "error.txt").read_text()


def test_a_folder_that_is_removed_while_it_trains_is_one_line(frames, tmp_path):
    folder = tmp_path / "run"
    watcher = Watcher(2, lambda: shutil.rmtree(folder))
    with pytest.raises(PartwiseError, match=r"because this folder was removed or replaced"):
        train(with_workers(), frames, folder, watcher, data_name="tiny")
    assert not folder.exists()


def test_data_that_is_removed_while_it_trains_is_one_line(city_root, tmp_path):
    folder = RunFolder(tmp_path / "run")
    shutil.copytree(city_root, tmp_path / "city")
    watcher = Watcher(2, lambda: shutil.rmtree(tmp_path / "city"))
    with pytest.raises(PartwiseError, match=r"no such file.*is saved; the same command with --resume") as caught:
        train(with_workers(steps=100), CityscapesFolder(tmp_path / "city", "train"), folder.path, watcher, data_name="")
    assert "\n" not in str(caught.value) and load_state(folder.state)["progress"]["step"] >= 2


def test_a_second_training_in_the_same_folder_is_refused(frames, tmp_path):
    refusals = []

    def second():
        with pytest.raises(PartwiseError, match=f"another training is writing .*process {os.getpid()} on ") as caught:
            train(with_workers(), frames, tmp_path / "run", Watcher(), data_name="tiny")
        refusals.append(caught)

    train(with_workers(), frames, tmp_path / "run", Watcher(2, second), data_name="tiny")
    assert len(refusals) == 1
    lines = [json.loads(line)["step"] for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert lines == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_saves_and_stops(frames, tmp_path, number):
    folder = RunFolder(tmp_path / "run")
    with pytest.raises(Stopped, match="stopped at step 2: the same command with --resume continues it"):
        train(with_workers(), frames, folder.path, Watcher(2, lambda: os.kill(os.getpid(), number)), data_name="tiny")
    assert load_state(folder.state)["progress"]["step"] == 2


def send(*numbers):
    for number in numbers:
        signal.raise_signal(number)


def test_a_closed_terminal_hangs_up_twice_and_a_scheduler_sends_several(frames, tmp_path):
    folder = RunFolder(tmp_path / "run")
    hang_up = Watcher(2, lambda: send(signal.SIGHUP, signal.SIGHUP, signal.SIGTERM, signal.SIGINT, signal.SIGTERM))
    with pytest.raises(Stopped, match="stopped at step 2: the same command with --resume continues it"):
        train(with_workers(), frames, folder.path, hang_up, data_name="tiny")


def test_a_second_ctrl_c_ends_at_once(frames, tmp_path):
    with pytest.raises(Stopped, match="stopped at step 2: no checkpoint was written yet"):
        train(with_workers(), frames, tmp_path / "run", Watcher(2, lambda: send(2, 2)), data_name="tiny")


def test_a_hang_up_that_is_ignored_stays_ignored(frames, tmp_path):
    """As under nohup."""
    previous = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        watcher = Watcher(2, lambda: os.kill(os.getpid(), signal.SIGHUP))
        train(with_workers(), frames, tmp_path / "run", watcher, data_name="tiny")
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, previous)
    assert [record["step"] for record in watcher.records] == [1, 2, 3, 4, 5]


class SlowAfter(list):
    """Scenes that each take a minute to read from a certain moment on."""

    def __init__(self, scenes, slow: threading.Event):
        super().__init__(scenes[i] for i in range(len(scenes)))
        self.slow = slow

    def __getitem__(self, i):
        if self.slow.is_set():
            time.sleep(60)
        return super().__getitem__(i)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_a_batch_is_waited_for_saves_and_stops_at_once(frames, tmp_path, number):
    folder, slow = RunFolder(tmp_path / "run"), threading.Event()

    def soon():
        slow.set()
        threading.Timer(1.0, os.kill, (os.getpid(), number)).start()

    begin = time.monotonic()
    with pytest.raises(Stopped, match="stopped at step 2: the same command with --resume continues it"):
        train(with_workers(0), SlowAfter(frames, slow), folder.path, Watcher(2, soon), data_name="tiny")
    assert time.monotonic() - begin < SECONDS
    assert load_state(folder.state)["progress"]["step"] == 2


def test_a_worker_that_stands_still_does_not_keep_a_signal_from_stopping(frames, tmp_path):
    def stop_worker():
        os.kill(multiprocessing.active_children()[0].pid, signal.SIGSTOP)
        threading.Timer(1.0, os.kill, (os.getpid(), signal.SIGINT)).start()

    begin = time.monotonic()
    with pytest.raises(Stopped):
        train(with_workers(steps=1000), frames, tmp_path / "run", Watcher(2, stop_worker), data_name="tiny")
    assert time.monotonic() - begin < SECONDS


def test_one_of_several_processes_ends_with_the_others_however_often_it_is_told():
    with StopSwitch(alone=False) as stop:
        send(signal.SIGINT, signal.SIGINT, signal.SIGTERM)
        assert stop.pressed


def test_only_the_end_of_another_process_is_taken_for_it():
    lost = RuntimeError("[/pytorch/third_party/gloo/gloo/transport/tcp/pair.cc:561] Connection closed by baseline")
    assert "another process" in str(lost_process(lost))
    nccl = torch.distributed.DistBackendError("NCCL error\nLast error:\nError while creating /dev/shm/nccl-1 (size 9)")
    assert "(Error while creating /dev/shm/nccl-1 (size 9)): " in str(lost_process(nccl))
    assert lost_process(RuntimeError("mat1 and mat2 shapes cannot be multiplied")) is None


def test_a_full_disk_for_tensorboard_is_one_line(tmp_path, disk_full_after, capfd):
    board = Board(tmp_path / "tensorboard", 0)
    with disk_full_after(200), pytest.raises(PartwiseError, match=r"cannot write .*tensorboard: .*too large") as caught:
        for step in range(2000):
            board.log({"step": step, "loss": 1.0, "lr": 1.0})
            time.sleep(0.001)
    with contextlib.closing(board):
        assert "\n" not in str(caught.value)
    assert "Traceback" not in capfd.readouterr().err


def test_what_tensorboard_has_not_written_is_written_when_a_run_is_stopped(frames, tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    watcher = Watcher(3, lambda: os.kill(os.getpid(), signal.SIGINT))
    with pytest.raises(Stopped):
        train(with_workers(tensorboard=True), frames, tmp_path / "run", watcher, data_name="tiny")
    events = EventAccumulator(str(tmp_path / "run" / "tensorboard"))
    events.Reload()
    assert [event.step for event in events.Scalars("loss/sum")] == [1, 2, 3]


def test_the_weights_of_a_stopped_run_are_those_of_its_state(frames, tmp_path):
    folder = RunFolder(tmp_path / "run")
    with pytest.raises(Stopped):
        train(with_workers(), frames, folder.path, Watcher(2, lambda: signal.raise_signal(2)), data_name="tiny")
    assert same(load_file(folder.last), dict(load_state(folder.state)["model"]))
