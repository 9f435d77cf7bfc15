"""Milliseconds from image to instances, the share of each stage, and bf16 against fp32, in one run.

    python benchmarks/speed.py [--model FILE] [--size 1024x512] [--threads 2] [--json OUT]

Scenes are rendered, so that everybody times the same; the first call of each kind is not counted.
"""

import argparse
import platform
import statistics
import time
from pathlib import Path

import torch
from torch import nn

from partwise.data.streets import Streets
from partwise.files import write_json
from partwise.segmenter import load
from partwise.trunks import build_trunk
from partwise.trunks.trunk import DepthwiseConv2d


def median_ms(run, repeats: int) -> float:
    """Median wall time of `run`, after one call that is not counted."""
    run()
    times = []
    for _ in range(repeats):
        begin = time.perf_counter()
        run()
        times.append((time.perf_counter() - begin) * 1000)
    return round(statistics.median(times), 1)


def time_model(model: str | None, size: tuple[int, int], precision: str, repeats: int) -> dict:
    """Image in to `Result` out, and the network and everything after it apart, summed over three scenes."""
    segment = load(model, precision=precision)
    rows = []
    for scene in Streets(3, size, seed=7):
        image = torch.tensor(scene.image_HW3).permute(2, 0, 1)[None]
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
            outputs = segment.method(image)
            network = median_ms(lambda image=image: segment.method(image), repeats)
        with torch.inference_mode():
            after = median_ms(lambda o=outputs, s=scene.size: segment.method.decode(o, s), repeats)
        total = median_ms(lambda scene=scene: segment(scene.image_HW3), repeats)
        found = len(segment(scene.image_HW3))
        rows.append({"instances": found, "total_ms": total, "network_ms": network, "after_network_ms": after})
    mean = {key: round(statistics.mean(row[key] for row in rows), 1) for key in rows[0]}
    return {"precision": precision, "scenes": rows, "mean": mean, "after_share": round(
        mean["after_network_ms"] / mean["total_ms"], 3
    )}  # fmt: skip


def time_trunk(name: str, repeats: int) -> dict:
    """Forward and backward of a trunk on one 384x768 crop: fp32, bf16, and bf16 for depthwise layers, too."""
    trunk = build_trunk(name).to(memory_format=torch.channels_last).train()
    image = torch.randn(1, 3, 384, 768).contiguous(memory_format=torch.channels_last)

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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model")
    parser.add_argument("--size", default="1024x512")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    width, height = (int(side) for side in arguments.size.split("x"))
    result = {
        "machine": {"processor": cpu_name(), "threads": arguments.threads, "torch": torch.__version__},
        "size": arguments.size,
        "predict": [time_model(arguments.model, (height, width), p, arguments.repeats) for p in ("no", "bf16")],
        "trunks": {name: time_trunk(name, 3) for name in ("efficientnet_lite0", "vgg16")},
    }
    for row in result["predict"]:
        print(f"predict, {row['precision']:4}: {row['mean']}, after the network {row['after_share']:.0%}")
    for name, row in result["trunks"].items():
        print(f"{name}, forward + backward of 384x768: {row}")
    if arguments.json:
        write_json(arguments.json, result)


def cpu_name() -> str:
    """The processor's name, and whether it has AMX (which makes bf16 several times faster)."""
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.split(":")[1].strip() for line in text.splitlines() if line.startswith("model name")]
    return f"{names[0] if names else platform.machine()}, {'with' if 'amx_bf16' in text else 'without'} AMX"


if __name__ == "__main__":
    main()
