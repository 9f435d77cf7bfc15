"""Make the next item of an iterator in a thread while one is in use."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Generator, Iterator
from typing import TypeVar

__all__ = ["ahead"]

T = TypeVar("T")


def ahead(items: Generator[T]) -> Iterator[T]:
    """Yield what an iterator yields, one item of which is made ahead in a thread."""
    made: queue.Queue[T | BaseException | None] = queue.Queue(maxsize=1)
    ended = threading.Event()

    def put(item: T | BaseException | None) -> bool:
        while not ended.is_set():
            try:
                made.put(item, timeout=0.1)
                return True
            except queue.Full:
                continue
        return False

    def work() -> None:
        with contextlib.closing(items):
            try:
                for item in items:
                    if not put(item):
                        return
                put(None)
            except BaseException as error:
                put(error)

    thread = threading.Thread(target=work, name="partwise-video", daemon=True)
    thread.start()
    try:
        while (item := made.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item
    finally:
        ended.set()
        thread.join(timeout=5)
