"""Milliseconds from image to instances, the share of each stage, and bf16 against fp32, in one run.

Scenes are rendered, so that everybody times the same; the first call of each kind is not counted. Times are by the
clock: let nothing else run beside it.
"""

from __future__ import annotations

import functools
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import nn

from partwise.data.streets import Streets
from partwise.errors import PartwiseError
from partwise.machine import describe_machine
from partwise.methods.method import image_batch
from partwise.segmenter import load
from partwise.trunks import build_trunk
from partwise.trunks.trunk import DepthwiseConv2d

SCENES = 3
TRUNKS = ("efficientnet_lite0", "vgg16")
CROP = (384, 768)  # of a training step


def bench_speed(
    model: str | None = None,
    *,
    size: tuple[int, int] = (512, 1024),
    threads: int = 2,
    repeats: int = 5,
    progress: Callable[..., None] = lambda part, done, total: None,
) -> dict:
    """Times of a model (the bundled one where none is given) and of a training step of the trunks, in JSON's own types.

    size       (H, W) of the scenes
    threads    of torch
    repeats    of every measurement, of which the median counts

    Raises PartwiseError for a model that cannot be loaded and for numbers below 1.
    """
    if threads < 1 or repeats < 1:
        raise PartwiseError(f"--threads {threads} --repeats {repeats}: give numbers from 1 on")
    steps = [("no", _time_model), ("bf16", _time_model), *((name, _time_trunk) for name in TRUNKS)]
    predict, trunks = [], {}
    with with_threads(threads):
        for number, (what, measure) in enumerate(steps):
            progress(what, number, len(steps))
            if measure is _time_model:
                predict.append(_time_model(model, size, what, repeats))
            else:
                trunks[what] = _time_trunk(what, repeats)
    machine = describe_machine() | {"threads": threads, "torch": torch.__version__}
    return {"machine": machine, "size": f"{size[1]}x{size[0]}", "predict": predict, "trunks": trunks}


@contextmanager
def with_threads(count: int) -> Iterator[None]:
    """Torch with so many threads, and with as many as before afterwards."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def median_ms(run: Callable[[], object], repeats: int) -> float:
    """Median milliseconds of `run` by the clock, after one call that is not counted."""
    run()
    times = []
    for _ in range(repeats):
        begin = time.perf_counter()
        run()
        times.append((time.perf_counter() - begin) * 1000)
    return round(statistics.median(times), 1)


def _time_model(model: str | None, size: tuple[int, int], precision: str, repeats: int) -> dict:
    """Image in to `Result` out, and the network and everything after it apart, each scene and their mean."""
    segment = load(model, precision=precision)
    rows = []
    for scene in Streets(SCENES, size, seed=7):
        image = image_batch(segment.seen(scene.image_HW3))
        decode = functools.partial(segment.method.decode, size=tuple(image.shape[-2:]))
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
            outputs = segment.method.respond(image)
            network = median_ms(lambda image=image: segment.method.respond(image), repeats)
        with torch.inference_mode():
            after = median_ms(lambda decode=decode, o=outputs, size=scene.size: decode(o)[0].resized(size), repeats)
        total = median_ms(lambda scene=scene: segment(scene.image_HW3), repeats)
        found = len(segment(scene.image_HW3))
        rows.append({"instances": found, "total_ms": total, "network_ms": network, "after_network_ms": after})
    mean = {key: round(statistics.mean(row[key] for row in rows), 1) for key in rows[0]}
    share = round(mean["after_network_ms"] / mean["total_ms"], 3)
    return {"precision": precision, "scenes": rows, "mean": mean, "after_share": share}


def _time_trunk(name: str, repeats: int) -> dict:
    """Forward and backward of a trunk on one crop: fp32, bf16, and bf16 for depthwise layers, too."""
    trunk = build_trunk(name).to(memory_format=torch.channels_last).train()
    image = torch.randn(1, 3, *CROP).contiguous(memory_format=torch.channels_last)

    def step(bf16: bool) -> None:
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            maps = trunk(image)
        sum(one.float().mean() for one in maps.values()).backward()

    fp32, bf16 = median_ms(lambda: step(False), repeats), median_ms(lambda: step(True), repeats)
    for module in trunk.modules():
        if isinstance(module, DepthwiseConv2d):
            module.__class__ = nn.Conv2d
    everything = median_ms(lambda: step(True), repeats)
    ratio = round(bf16 / fp32, 2)
    return {"fp32_ms": fp32, "bf16_ms": bf16, "bf16_depthwise_too_ms": everything, "bf16_over_fp32": ratio}
