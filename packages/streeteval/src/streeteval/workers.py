"""Worker processes: they take requests, and their results come back in order. The end of a worker is noticed at once.

Each worker shares only a socket with this process. There is no queue, lock or thread that several workers share, so
that a worker that dies does not block the others.
"""

from __future__ import annotations

import atexit
import contextlib
import errno
import multiprocessing
import os
import signal
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from streeteval.errors import InputError, in_one_line
from streeteval.machine import is_out_of_memory
from streeteval.transport import receive, send

__all__ = ["Workers"]

# A person or a scheduler may send these to every process of a job. Only the main process reacts to them.
_SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
_NAMES = {number.value: number.name for number in signal.Signals}
_LOST = -1  # number of the request that a worker reports if it failed outside of a request
_POLL_SECONDS = 1.0  # Windows runs the handler of Ctrl-C only between two waits
_JOIN_SECONDS = 5.0  # a killed process ends at once, unless it waits for a disk that does not answer


class Workers:
    """A context with worker processes. Each worker calls a function for one request after the other.

    The processes are started on entering and killed on leaving. They also end when this process ends.

    Args:
        function: The function. It must be picklable if processes are not forked.
        count: Number of processes.
        context: The start method of `multiprocessing.get_context`; None for the default.
        advice: What to do if the workers need too much memory or too many files, such as "give fewer workers".
        patience: Seconds without a result after which the workers count as stuck.

    Raises:
        InputError: On entering, if the processes cannot be started.
    """

    def __init__(
        self,
        function: Callable[[Any], Any],
        count: int,
        *,
        context: str | None = None,
        advice: str = "give fewer workers",
        patience: float = float("inf"),
    ) -> None:
        self.function, self.count, self.advice, self.patience = function, count, advice, patience
        self.context: Any = multiprocessing.get_context(context)  # the types of a context are private
        self.processes: dict[Connection, Any] = {}

    def __enter__(self) -> Workers:
        atexit.register(self.close)  # runs before the handler of multiprocessing, which would wait for them forever
        try:
            for _ in range(self.count):
                self._start()
        except (OSError, RuntimeError, MemoryError) as error:
            started = len(self.processes)
            self.close()
            if not (isinstance(error, OSError) or is_out_of_memory(error)):
                raise
            raise InputError(
                f"worker {started + 1} of {self.count} cannot be started ({in_one_line(error)}): {self.advice}"
            ) from error
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _start(self) -> None:
        ours, theirs = self.context.Pipe()
        process = self.context.Process(target=_work, args=(self.function, theirs), daemon=True)
        with _signals_held_back():
            process.start()
        theirs.close()  # so that the socket closes when the worker ends
        self.processes[ours] = process

    def close(self) -> None:
        """Kill the processes. Their unfinished work is lost."""
        for process in self.processes.values():
            process.kill()
        for process in self.processes.values():
            process.join(_JOIN_SECONDS)
        atexit.unregister(self.close)

    def map(self, requests: Iterable, ahead: int = 1) -> Iterator:
        """Call the function for each request.

        Args:
            requests: Picklable values.
            ahead: Number of requests that a worker gets at a time. It processes them while no result is taken.

        Yields:
            The result of each request, in the order of the requests.

        Raises:
            InputError: If the function fails, a worker ends, or no result comes for longer than `patience`.
        """
        numbered = enumerate(requests)
        results: dict[int, Any] = {}
        busy = dict.fromkeys(self.processes, 0)  # number of requests that each worker has
        given = taken = 0
        while True:
            while given - taken < ahead * self.count and (request := next(numbered, None)) is not None:
                self._give(min(busy, key=busy.__getitem__), request, busy)
                given += 1
            if taken == given:
                return
            while self._collect(results, busy, 0.0):  # all that is there: the end of a dead worker comes after it
                pass
            since = time.monotonic()
            while taken not in results:
                if self._collect(results, busy, _POLL_SECONDS):
                    since = time.monotonic()
                elif time.monotonic() - since > self.patience:
                    raise InputError(
                        f"no result from {self.count} workers for {self.patience:g} seconds: they wait for a disk or "
                        "a network drive that does not answer, or were stopped"
                    )
            result, failure = results.pop(taken)
            if failure is not None:
                raise failure.error(self.advice)
            yield result
            taken += 1

    def _give(self, worker: Connection, request: tuple[int, Any], busy: dict[Connection, int]) -> None:
        try:
            worker.send(request)
        except OSError:
            raise self._ended(worker) from None
        busy[worker] += 1

    def _collect(self, results: dict[int, Any], busy: dict[Connection, int], timeout: float) -> bool:
        """Wait up to `timeout` seconds, and put every result that has come into `results`; whether there was any."""
        ready = [connection for connection in wait(list(self.processes), timeout) if isinstance(connection, Connection)]
        for worker in ready:
            try:
                number, *outcome = receive(worker)
            except (EOFError, OSError, MemoryError) as error:
                if isinstance(error, EOFError | ConnectionError) or getattr(error, "errno", 0) is None:
                    raise self._ended(worker) from None  # an errno of None: it ended in the middle of a message
                what = f"a worker's result cannot be taken ({in_one_line(error)})"
                raise InputError(f"{what}: {self.advice}") from error
            if number == _LOST:
                raise outcome[1].error(self.advice)
            results[number] = outcome
            busy[worker] -= 1
        return bool(ready)

    def _ended(self, worker: Connection) -> InputError:
        process = self.processes[worker]
        process.join(_JOIN_SECONDS)
        code, number = process.exitcode, list(self.processes).index(worker) + 1
        how = f"ended with exit code {code}"
        if code is not None and code < 0:
            name = _NAMES.get(-code, f"signal {-code}")
            how = f"was ended by {name}" + (", which the system sends where memory runs out" * (name == "SIGKILL"))
        return InputError(f"worker {number} of {self.count} (process {process.pid}) {how}: {self.advice}")


class _Failure:
    """An error in a worker as text, so that it can be sent."""

    def __init__(self, error: BaseException) -> None:
        self.told = str(error) if isinstance(error, InputError) else ""
        self.scarce = is_out_of_memory(error) or getattr(error, "errno", None) in (errno.EMFILE, errno.ENFILE)
        at = traceback.extract_tb(error.__traceback__)[-1]
        self.words = f"{in_one_line(error)} in {Path(at.filename).name}, line {at.lineno}"
        self.traceback = "".join(traceback.format_exception(error))

    def error(self, advice: str) -> InputError:
        """Make the error to raise. The traceback of the worker is its note."""
        advice = advice if self.scarce else "this is a fault of the program, please report it"
        error = InputError(self.told or f"a worker failed ({self.words}): {advice}")
        error.add_note(self.traceback)
        return error


@contextlib.contextmanager
def _signals_held_back() -> Iterator[None]:
    """Inside, signals wait: so a process that is started now gets no signal before it ignores signals."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _work(function: Callable[[Any], Any], main: Connection) -> None:
    """Run a worker until the main process is gone."""
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
    try:
        threading.Thread(target=_end_with_parent, daemon=True).start()
        while True:
            number, request = main.recv()
            _answer(main, number, function, request)
    except (EOFError, ConnectionError):
        pass
    except BaseException as error:
        with contextlib.suppress(Exception):
            send(main, (_LOST, None, _Failure(error)))
    finally:
        os._exit(1)


def _answer(main: Connection, number: int, function: Callable[[Any], Any], request: Any) -> None:
    try:
        result = function(request)
    except BaseException as error:
        send(main, (number, None, _Failure(error)))
    else:
        send(main, (number, result, None))


def _end_with_parent() -> None:
    """End this process when its parent is gone, also after a kill -9: multiprocessing joins the parent by a pipe."""
    parent = multiprocessing.parent_process()
    assert parent is not None, "runs in a child only"
    parent.join()
    os._exit(1)
