"""The photos of a server: one is computed at a time, the others wait in order, and a bounded number is kept."""

from __future__ import annotations

import math
import secrets
import threading
import traceback
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from partwise.errors import PartwiseError
from partwise.scene import Scene
from partwise.serve.limits import Limits, RefusedError
from partwise.serve.views import Seen
from streeteval.errors import on_one_line
from streeteval.machine import is_out_of_memory

__all__ = ["Done", "Photo", "Photos"]


_BRIEF = 100  # brief photos that are kept, until the page has asked whether they are done


@dataclass(frozen=True, eq=False)
class Done:
    """A photo that was computed.

    Attributes:
        seen: What was found, and the outputs of the network.
        scene: The photo with its truth, if it is a frame of a data set.
    """

    seen: Seen
    scene: Scene | None = None


@dataclass(eq=False)
class Photo:
    """A photo that was given to the server.

    Attributes:
        name: Its name with plain letters alone, for the names of downloads.
        work: Computes it.
        brief: Only the work itself matters: what was computed is not kept.
        file_name: The name of its own file, for people and in the COCO file.
        id: A name that cannot be guessed, so that nobody sees the photos of others.
        state: How far it is.
        error: Why it failed, in one line.
        done: What was computed, in state "done"; None of a brief photo.
    """

    name: str
    work: Callable[[], Done] | None
    brief: bool = False
    file_name: str = "photo.png"
    id: str = field(default_factory=lambda: secrets.token_urlsafe(12))
    state: Literal["waiting", "working", "done", "failed"] = "waiting"
    error: str = ""
    done: Done | None = None


class Photos:
    """Photos that wait, are computed, or are kept. Every method can be called from any thread.

    Args:
        limits: How many photos wait and are kept.
    """

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._change = threading.Condition()
        self._waiting: deque[Photo] = deque()
        self._all: OrderedDict[str, Photo] = OrderedDict()
        self._working: Photo | None = None
        # A daemon: it ends with the program, in the middle of a photo too.
        threading.Thread(target=self._run, name="partwise photos", daemon=True).start()

    def add(self, name: str, work: Callable[[], Done], *, brief: bool = False, file_name: str = "") -> Photo:
        """Let a photo wait for its turn.

        Args:
            name: Its name with plain letters alone.
            work: Computes it, in another thread.
            brief: Whether only the work itself matters, and what was computed is not kept.
            file_name: The name of its own file; "" for `name` as a PNG file.

        Raises:
            RefusedError: If too many photos wait.
        """
        with self._change:
            if len(self._waiting) >= self.limits.waiting:
                raise RefusedError(f"{len(self._waiting)} photos wait already: try again in a minute", 503)
            photo = Photo(name, work, brief, file_name or f"{name}.png")
            self._waiting.append(photo)
            self._all[photo.id] = photo
            self._change.notify_all()
        return photo

    def find(self, photo_id: str) -> Photo:
        """Return a photo by its id, and keep it longer than those that nobody asks for.

        Raises:
            RefusedError: If there is none.
        """
        with self._change:
            if photo_id not in self._all:
                kept = self.limits.kept
                raise RefusedError(f"this photo is not kept any more (the last {kept} are): give it again", 404)
            self._all.move_to_end(photo_id)
            return self._all[photo_id]

    def before(self, photo: Photo) -> int:
        """Return how many photos are computed before this one begins."""
        with self._change:
            if photo not in self._waiting:
                return 0
            return self._waiting.index(photo) + (self._working is not None)

    def _run(self) -> None:
        while True:
            with self._change:
                while not self._waiting:
                    self._change.wait()
                photo = self._working = self._waiting.popleft()
                photo.state = "working"
            done, error = _computed(photo)
            with self._change:
                photo.work, photo.done, photo.error = None, None if photo.brief else done, error
                photo.state = "failed" if done is None else "done"
                self._working = None
                self._forget()

    def _forget(self) -> None:
        """Drop the photos that were used longest ago, but none that waits."""
        ended = [one for one in self._all.values() if one.state in ("done", "failed")]
        for brief, most in ((False, self.limits.kept), (True, _BRIEF)):
            these = [one for one in ended if one.brief == brief]
            while len(these) > most or (len(these) > 1 and sum(map(_pixels, these)) > self.limits.kept_pixels):
                del self._all[these.pop(0).id]


def _pixels(photo: Photo) -> int:
    """Number of pixels of a photo that is kept."""
    return 0 if photo.done is None else math.prod(photo.done.seen.result.size)


def _computed(photo: Photo) -> tuple[Done | None, str]:
    """Compute a photo; return what was found, or why it failed."""
    assert photo.work is not None
    try:
        return photo.work(), ""
    except PartwiseError as error:
        return None, on_one_line(str(error).split("\n")[0])
    except Exception as error:  # one photo must not end the thread that all others wait for
        if is_out_of_memory(error):
            return None, "there is not enough memory for so large a photo: scale it down"
        traceback.print_exc()
        return None, "an error of the program: the terminal of the server says more"
