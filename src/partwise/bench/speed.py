"""Measure the milliseconds from image to instances, the share of each stage, and bf16 against fp32, in one run.

Scenes are rendered, so that everyone measures the same images. The first call of each kind does not count. Times are by
the clock: run nothing else at the same time.
"""

from __future__ import annotations

import functools
import itertools
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import nn

from partwise.backbones import build_backbone
from partwise.backbones.depthwise import DepthwiseConv2d
from partwise.backbones.on_device import with_pointwise_in_onednn
from partwise.bench.scored_data import require_network
from partwise.data.streets import Streets
from partwise.errors import PartwiseError
from partwise.methods import Method, Outputs
from partwise.methods.method import image_batch
from partwise.scene import Prediction
from partwise.segmenter import load
from partwise.training.precision import bf16_emulation
from streeteval.machine import describe_machine

SCENES = 3
BACKBONES = ("efficientnet_lite0", "vgg16")
CROP = (384, 768)  # (H, W) of the image of a training step

Begin = Callable[[str], None]  # called with the measurement that begins


def bench_speed(
    model: str | None = None,
    *,
    size: tuple[int, int] = (512, 1024),
    threads: int = 2,
    repeats: int = 5,
    progress: Callable[..., None] = lambda part, done, total: None,
) -> dict:
    """Measure the times of a model, and of a training step of backbones, on the processor.

    Args:
        model: What `partwise.load` takes; None for the default model.
        size: (H, W) of the scenes in pixels.
        threads: Number of threads of torch.
        repeats: Number of repeats of each measurement; the median counts.
        progress: Called with what is being done, how much of it is done, and all of it.

    Returns:
        {"machine", "size", "predict": [a row for each precision], "one_thread": times of the network with its 1x1
        convolutions by PyTorch's own choice and by oneDNN, "backbones": {name: times}, "skipped": {what: why}} in
        JSON's own types. The times of a backbone are those of a training step in fp32, in fp32 with the gradient of
        depthwise kernels by PyTorch, in bf16, and in bf16 also in depthwise layers. If the processor only emulates
        bf16, bf16 is skipped and its figures of the backbones are None.

    Raises:
        PartwiseError: If the model cannot be loaded, or a number is below 1.
    """
    if threads < 1 or repeats < 1:
        raise PartwiseError(f"--threads {threads} --repeats {repeats}: give numbers from 1 on")
    require_network(model)
    emulation = bf16_emulation(torch.device("cpu"))
    with_bf16 = not emulation
    precisions = ("no", "bf16") if with_bf16 else ("no",)
    steps, total = itertools.count(), SCENES * len(precisions) + len(BACKBONES) * (3 if with_bf16 else 1) + 1
    begin = lambda what: progress(what, next(steps), total)
    with with_threads(threads):
        predict = [_time_model(model, size, precision, repeats, begin) for precision in precisions]
        backbones = {name: _time_backbone(name, with_bf16, repeats, begin) for name in BACKBONES}
    one_thread = _time_on_one_thread(model, size, repeats, begin)
    machine = describe_machine() | {"threads": threads, "torch": torch.__version__}
    figures = {"machine": machine, "size": f"{size[1]}x{size[0]}", "predict": predict}
    figures |= {"one_thread": one_thread, "backbones": backbones}
    return figures | {"skipped": {"bf16": emulation} if emulation else {}}


@contextmanager
def with_threads(count: int) -> Iterator[None]:
    """Inside, torch uses `count` threads; afterwards the previous number."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def median_ms(run: Callable[[], object], repeats: int) -> float:
    """Measure the median milliseconds of a call by the clock, after one call that does not count.

    Args:
        run: What to call.
        repeats: Number of calls that count.
    """
    run()
    times = []
    for _ in range(repeats):
        begin = time.perf_counter()
        run()
        times.append((time.perf_counter() - begin) * 1000)
    return round(statistics.median(times), 1)


def _decode(method: Method, outputs: Outputs, seen: tuple[int, int], size: tuple[int, int]) -> Prediction:
    """Decode the outputs for an image that the network saw at size `seen`, and scale the result to `size`."""
    return method.decode(outputs, seen)[0].resized(size)


def _time_model(model: str | None, size: tuple[int, int], precision: str, repeats: int, begin: Begin) -> dict:
    """Measure a model from image to `Result`, the network alone, and everything after it: each scene and their mean."""
    segment = load(model, device="cpu", precision=precision)
    rows = []
    for scene in Streets(SCENES, size, seed=7):
        begin("the model in " + ("bf16" if precision == "bf16" else "fp32"))
        image = image_batch(segment.seen(scene.image_HW3))
        seen = image.shape[-2], image.shape[-1]
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
            outputs = segment.method.respond(image)
            network = median_ms(functools.partial(segment.method.respond, image), repeats)
        with torch.inference_mode():
            after = median_ms(functools.partial(_decode, segment.method, outputs, seen, scene.size), repeats)
        total = median_ms(functools.partial(segment, scene.image_HW3), repeats)
        found = len(segment(scene.image_HW3))
        rows.append({"instances": found, "total_ms": total, "network_ms": network, "after_network_ms": after})
    mean = {key: round(statistics.mean(row[key] for row in rows), 1) for key in rows[0]}
    share = round(mean["after_network_ms"] / mean["total_ms"], 3)
    return {"precision": precision, "scenes": rows, "mean": mean, "after_share": share}


def _time_on_one_thread(model: str | None, size: tuple[int, int], repeats: int, begin: Begin) -> dict:
    """Measure a network in fp32 on one thread, with its 1x1 convolutions by PyTorch's own choice and by oneDNN."""
    begin("1x1 convolutions on one thread")
    by_choice: dict[bool, list[float]] = {False: [], True: []}
    segment = load(model, device="cpu")
    image = image_batch(segment.seen(Streets(1, size, seed=7)[0].image_HW3))
    with with_threads(1), torch.inference_mode():
        for _ in range(repeats):  # in turns, so that other processes disturb both in the same way
            for onednn, times in by_choice.items():
                with_pointwise_in_onednn(segment.method, onednn)
                times.append(median_ms(functools.partial(segment.method.respond, image), 1))
    own, by_onednn = (statistics.median(by_choice[which]) for which in (False, True))
    return {"pytorch_ms": own, "onednn_ms": by_onednn, "onednn_over_pytorch": round(by_onednn / own, 2)}


def _time_backbone(name: str, with_bf16: bool, repeats: int, begin: Begin) -> dict:
    """Measure forward and backward of a backbone on one crop, see `bench_speed`."""
    backbone = build_backbone(name).to(memory_format=torch.channels_last).train()
    image = torch.randn(1, 3, *CROP).contiguous(memory_format=torch.channels_last)

    def step(bf16: bool) -> None:
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            maps = backbone(image)
        sum(one.float().mean() for one in maps.values()).backward()

    begin(f"{name} in fp32")
    depthwise = [module for module in backbone.modules() if isinstance(module, DepthwiseConv2d)]
    by_blocks: dict[bool, list[float]] = {False: [], True: []}
    for _ in range(repeats):  # in turns, so that other processes disturb both in the same way
        for blocks, times in by_blocks.items():
            for module in depthwise:
                module.blocks = blocks
            times += [median_ms(lambda: step(False), 1)] if depthwise or blocks else []
    fp32, whole = statistics.median(by_blocks[True]), statistics.median(by_blocks[False]) if depthwise else None
    figures = {"fp32_ms": fp32, "fp32_without_blocks_ms": whole, "blocks_over_whole": whole and round(fp32 / whole, 2)}
    figures |= {"bf16_ms": None, "bf16_depthwise_too_ms": None, "bf16_over_fp32": None}
    if not with_bf16:
        return figures
    begin(f"{name} in bf16")
    bf16 = median_ms(lambda: step(True), repeats)
    for module in depthwise:
        module.__class__ = nn.Conv2d  # type: ignore[assignment]  # to compute as it would without the subclass
    begin(f"{name} in bf16, depthwise layers too")
    everything = median_ms(lambda: step(True), repeats)
    return figures | {
        "bf16_ms": bf16,
        "bf16_depthwise_too_ms": everything,
        "bf16_over_fp32": round(bf16 / fp32, 2),
    }
