"""Measure the milliseconds from a click in the page to its explanation: the request, the explanation and its JSON.

The server runs in this process, and the clicks come over the loopback interface as from a browser. Photos are rendered.
The first click on each photo does not count. Times are by the clock: run nothing else at the same time.
"""

from __future__ import annotations

import http.client
import io
import json
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from PIL import Image

from partwise.bench.speed import with_threads
from partwise.data.streets import Streets
from partwise.errors import PartwiseError
from partwise.segmenter import load
from partwise.serve.app import Site, make_app
from partwise.serve.server import HOST, open_port, run_in_thread
from streeteval.machine import describe_machine

__all__ = ["bench_clicks"]

PHOTOS = 3
AGAIN = 10  # clicks that are explained without a server, for the comparison
_BOUNDARY = "partwise-bench-clicks"
_PATIENCE_SECONDS = 600


def bench_clicks(
    model: str | None = None,
    *,
    size: tuple[int, int] = (512, 1024),
    clicks: int = 100,
    threads: int = 2,
    progress: Callable[..., None] = lambda part, done, total: None,
) -> dict[str, Any]:
    """Measure clicks at random pixels of rendered photos.

    Args:
        model: What `partwise.load` takes; None for the default model.
        size: (H, W) of the photos in pixels.
        clicks: Number of clicks on each of the photos.
        threads: Number of threads of torch.
        progress: Called with what is being done, how much of it is done, and all of it.

    Returns:
        {"machine", "model", "size", "clicks", "click_ms": {"median", "p95", "max"}, "answer_kib", "photo_ms",
        "explain_ms"}. `photo_ms` is the median from the upload to the result, `explain_ms` that of
        `Segmenter.explain`, which runs the network again for each pixel.

    Raises:
        PartwiseError: If the model cannot be loaded or cannot explain its decisions, or a number is below 1.
    """
    if clicks < 1 or threads < 1:
        raise PartwiseError(f"--clicks {clicks} --threads {threads}: give numbers from 1 on")
    segment = load(model, device="cpu")
    segment.require_explainable()
    rng, (height, width) = np.random.default_rng(0), size
    click_ms, sizes, photo_ms, explain_ms = [], [], [], []
    with with_threads(threads), _client(Site(segment)) as client:
        for number, scene in enumerate(Streets(PHOTOS, size, seed=7)):
            progress("photos", number, PHOTOS)
            begin = time.perf_counter()
            photo = client.upload(scene.image_HW3)
            photo_ms.append((time.perf_counter() - begin) * 1000)
            pixels = rng.integers(0, (width, height), (clicks + 1, 2)).tolist()
            for place, (x, y) in enumerate(pixels):
                begin = time.perf_counter()
                answer = client.get(f"/api/photos/{photo}/explanation?x={x}&y={y}&instance=-1")
                json.loads(answer)
                if place:
                    click_ms.append((time.perf_counter() - begin) * 1000)
                    sizes.append(len(answer) / 1024)
            for x, y in pixels[:AGAIN]:
                begin = time.perf_counter()
                segment.explain(scene.image_HW3, (x, y))
                explain_ms.append((time.perf_counter() - begin) * 1000)
    machine = describe_machine() | {"threads": threads, "torch": torch.__version__}
    return {
        "machine": machine,
        "model": segment.info.origin.get("recipe"),
        "size": f"{width}x{height}",
        "clicks": len(click_ms),
        "click_ms": {
            "median": round(statistics.median(click_ms), 1),
            "p95": round(float(np.percentile(click_ms, 95)), 1),
            "max": round(max(click_ms), 1),
        },
        "answer_kib": round(statistics.median(sizes), 1),
        "photo_ms": round(statistics.median(photo_ms), 1),
        "explain_ms": round(statistics.median(explain_ms), 1),
    }


class _Client:
    """Asks the server as a browser does, over one connection."""

    def __init__(self, port: int) -> None:
        self.connection = http.client.HTTPConnection(HOST, port, timeout=_PATIENCE_SECONDS)

    def get(self, address: str) -> bytes:
        """Return the answer to a request."""
        self.connection.request("GET", address)
        return self._answer()

    def upload(self, image_HW3: np.ndarray) -> str:
        """Send a photo, wait for its result, and return its id."""
        self.connection.close()  # the server closes a connection that was idle; the next request opens another one
        buffer = io.BytesIO()
        Image.fromarray(image_HW3).save(buffer, "PNG")
        head = f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="photo"; filename="a.png"\r\n\r\n'
        body = head.encode() + buffer.getvalue() + f"\r\n--{_BOUNDARY}--\r\n".encode()
        kind = {"Content-Type": f"multipart/form-data; boundary={_BOUNDARY}"}
        self.connection.request("POST", "/api/photos", body, kind)
        photo = json.loads(self._answer())["id"]
        while (told := json.loads(self.get(f"/api/photos/{photo}")))["state"] != "done":
            if told["state"] == "failed":
                raise PartwiseError(told["error"])
            time.sleep(0.01)
        return photo

    def _answer(self) -> bytes:
        answer = self.connection.getresponse()
        content = answer.read()
        if answer.status >= 400:
            raise PartwiseError(f"the server answered {answer.status}: {content[:200].decode('utf-8', 'replace')}")
        return content


@contextmanager
def _client(site: Site) -> Iterator[_Client]:
    """Run a server on a free port in a thread."""
    with open_port(0) as port, run_in_thread(make_app(site), port):
        yield _Client(port.getsockname()[1])
