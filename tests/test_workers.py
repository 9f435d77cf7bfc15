"""Whatever ends a worker, or the process that it works for, ends the work in one line and leaves nobody behind."""

import multiprocessing
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import streeteval
from partwise.errors import PartwiseError
from streeteval.workers import Workers

SECONDS = 20.0  # within which everything below must end, on a busy machine, too; it takes one or less


@pytest.fixture(autouse=True)
def nobody_is_left():
    """Every worker is gone after each test, and no test waits for ever."""
    before = set(multiprocessing.active_children())
    previous = signal.signal(signal.SIGALRM, lambda *_: pytest.fail("it hangs"))
    signal.alarm(60)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, previous)
    assert set(multiprocessing.active_children()) <= before


def results(function, requests, count=2, **how):
    with Workers(function, count, **{"context": "fork"} | how) as workers:
        return list(workers.map(requests, ahead=2))


def failure(function, requests=(0, 1, 2), **how) -> str:
    begin = time.monotonic()
    with pytest.raises(PartwiseError) as caught:
        results(function, requests, **how)
    assert time.monotonic() - begin < SECONDS
    assert "\n" not in str(caught.value)
    return str(caught.value)


def square(number):
    time.sleep(0.02 * (number % 3))  # later ones overtake earlier ones
    return number * number


@pytest.mark.parametrize(("count", "context"), [(1, "fork"), (3, "fork"), (2, "spawn")])
def test_results_come_in_the_order_of_the_requests(count, context):
    assert results(square, range(12), count, context=context) == [number * number for number in range(12)]
    assert results(square, [], count) == []


def test_a_worker_goes_on_while_nobody_asks():
    with Workers(lambda number: (number, time.monotonic()), 1, context="fork") as workers:
        made = workers.map(range(3), ahead=3)
        next(made)
        time.sleep(0.3)
        asked = time.monotonic()
        assert all(at < asked for _, at in made)


def test_arrays_of_results_can_be_written_to():
    for array in results(lambda size: np.zeros(size), [10, 1_000_000]):
        array += 1
        assert array.sum() == array.size


def tell(_):
    raise PartwiseError("frame 3: damaged: copy it again")


def divide(_):
    return 1 / 0


def need_memory(_):
    raise MemoryError


def need_files(_):
    raise OSError(24, "Too many open files", "a.png")


def leave(_):
    raise SystemExit(3)


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (tell, "frame 3: damaged: copy it again"),
        (divide, r"a worker failed \(ZeroDivisionError: division by zero in test_workers.py, line \d+\): .*report it"),
        (need_memory, r"a worker failed \(MemoryError in .*\): give less"),
        (need_files, r"a worker failed \(too many open files: a.png in .*\): give less"),
        (leave, r"a worker failed \(SystemExit: 3"),
        (lambda _: lambda: None, r"a worker failed \(.*[Pp]ickl"),
        (lambda _: os._exit(7), r"worker \d of 2 \(process \d+\) ended with exit code 7: give less"),
    ],
)
def test_an_error_in_a_worker_is_one_line(function, words):
    assert re.fullmatch(words + ".*", failure(function, advice="give less"))


def test_an_error_comes_in_its_turn():
    """Where a run ends is no question of who was faster."""
    with Workers(
        lambda number: time.sleep(0.2) or number if number < 2 else divide(number), 2, context="fork"
    ) as workers:
        made = workers.map(range(5), ahead=3)
        assert [next(made), next(made)] == [0, 1]
        with pytest.raises(PartwiseError, match="ZeroDivisionError") as caught:
            next(made)
    assert "in divide" in caught.value.__notes__[0]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGUSR1])
@pytest.mark.parametrize("context", ["fork", "spawn"])
def test_a_worker_that_is_killed_is_one_line(number, context):
    with Workers(square, 2, context=context) as workers:
        made = workers.map(iter(int, 1))
        next(made)
        victim = list(workers.processes.values())[1]
        os.kill(victim.pid, number)
        begin = time.monotonic()
        with pytest.raises(PartwiseError, match=rf"worker 2 of 2 \(process {victim.pid}\) was ended by {number.name}"):
            for _ in made:
                assert time.monotonic() - begin < SECONDS


def test_a_worker_that_dies_is_noticed_behind_the_results_that_it_has_left():
    with Workers(lambda number: number if number < 5 else os._exit(1), 1, context="fork") as workers:
        made = workers.map(range(8), ahead=8)
        next(made)
        workers.processes[next(iter(workers.processes))].join(SECONDS)
        with pytest.raises(PartwiseError, match="exit code 1"):
            next(made)


def test_signals_to_every_process_of_a_job_do_not_end_a_worker():
    with Workers(square, 1, context="fork") as workers:
        made = workers.map(iter(int, 1))
        next(made)
        (worker,) = workers.processes.values()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            os.kill(worker.pid, number)
        assert [next(made) for _ in range(5)] == [0] * 5


def test_silence_has_an_end():
    with Workers(lambda _: time.sleep(60), 1, context="fork", patience=0.2) as workers:
        begin = time.monotonic()
        with pytest.raises(PartwiseError, match=r"no result from 1 workers for 0\.2 seconds"):
            next(workers.map([0]))
    assert time.monotonic() - begin < SECONDS


def test_a_signal_ends_a_wait_at_once():
    with Workers(lambda _: time.sleep(60), 1, context="fork") as workers:
        begin, previous = time.monotonic(), signal.signal(signal.SIGALRM, signal.default_int_handler)
        signal.setitimer(signal.ITIMER_REAL, 0.3)
        try:
            with pytest.raises(KeyboardInterrupt):
                next(workers.map([0]))
        finally:
            signal.signal(signal.SIGALRM, previous)
    assert time.monotonic() - begin < SECONDS


def test_workers_that_cannot_be_started_are_one_line(monkeypatch):
    start, calls = multiprocessing.context.ForkProcess.start, []

    def refused_later(process):
        calls.append(1)
        if len(calls) == 3:
            raise BlockingIOError(11, "Resource temporarily unavailable")
        start(process)

    monkeypatch.setattr(multiprocessing.context.ForkProcess, "start", refused_later)
    said = failure(square, count=4)
    assert said == "worker 3 of 4 cannot be started (resource temporarily unavailable): give fewer workers"


# A process with two workers that prints their numbers, works a little, and then does what it is told.
PROGRAM = """
import os, sys, time
from streeteval.workers import Workers
workers = Workers(lambda number: number, 2).__enter__()
made = workers.map(iter(int, 1))
next(made)
print(*(process.pid for process in workers.processes.values()), flush=True)
{then}
"""


@pytest.mark.parametrize(
    ("then", "code"),
    [
        ("os.kill(os.getpid(), 9)", -9),
        ("os._exit(5)", 5),
        ("os.kill(os.getpid(), 15)", -15),
        ("raise RuntimeError('a bug')", 1),  # everything is still referenced when the interpreter ends
        ("sys.exit(2)", 2),
    ],
)
def test_workers_end_with_their_process_whatever_ends_it(then, code):
    environment = {**os.environ, "PYTHONPATH": str(Path(streeteval.__file__).resolve().parents[1])}
    command = [sys.executable, "-c", PROGRAM.format(then=then)]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=SECONDS)
    assert ended.returncode == code, ended.stderr
    deadline = time.monotonic() + SECONDS
    for number in map(int, ended.stdout.split()):
        while runs(number):
            assert time.monotonic() < deadline, f"process {number} is left"
            time.sleep(0.05)


def runs(number: int) -> bool:
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
