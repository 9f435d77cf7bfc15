"""Whether a network is faster in bf16 than in fp32 on the hardware that it runs on."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from partwise.machine import processor

BF16_UNITS = ("amx_bf16", "avx512_bf16", "bf16")  # of x86 and of ARM, as torch.cpu.get_capabilities names them
WORTH = 0.8  # of the time in fp32; less gain is not worth the rounding
CHANNELS, CELLS = 128, (32, 64)  # of the layer that is timed, a common one of VGG16


def gains_from_bf16(device: torch.device) -> bool:
    """Whether bf16 is worth its rounding on this device."""
    return time_in_bf16(device) < WORTH


def bf16_emulation(device: torch.device) -> str:
    """A sentence that says that the hardware has no bf16 arithmetic and only emulates it; "" where it has.

    "" also where it cannot be known: on other devices than a CPU or a CUDA GPU, and on a CPU before PyTorch 2.12.
    """
    if device.type == "cuda":
        has_units, what = torch.cuda.is_bf16_supported(including_emulation=False), "GPU"
    else:
        capabilities = _cpu_capabilities()
        known = device.type == "cpu" and bool(capabilities)
        has_units, what = not known or any(map(capabilities.get, BF16_UNITS)), f"processor ({processor()})"
    return "" if has_units else f"bf16 is emulated on this {what} and several times slower than fp32"


def slow_precision(device: torch.device) -> str:
    """What to tell a person who asks for bf16 on hardware that emulates it; "" where it does not."""
    emulation = bf16_emulation(device)
    return emulation and f"{emulation}: give the precision no or auto"


def time_in_bf16(device: torch.device) -> float:
    """Time of a network in bf16 in that of fp32, near enough to tell whether it gains.

    A GPU gains where it has bf16 units, a CPU where it has AMX: .5 for these. A CPU with AVX-512 BF16 alone is timed,
    a quarter of a second: a step of VGG16 takes half as long on some of them and 1.7 times as long on others. Else 1.
    """
    if device.type == "cuda":
        return 0.5 if torch.cuda.is_bf16_supported(including_emulation=False) else 1.0
    capabilities = _cpu_capabilities()
    if device.type != "cpu" or not (capabilities.get("amx_bf16") or capabilities.get("avx512_bf16")):
        return 1.0
    return 0.5 if capabilities.get("amx_bf16") else bf16_over_fp32()


def _cpu_capabilities() -> Mapping[str, Any]:
    """Of the processor, by name; empty before PyTorch 2.12."""
    return getattr(torch.cpu, "get_capabilities", dict)()


def bf16_over_fp32(repeats: int = 4) -> float:
    """Time of a 3x3 convolution forward and backward under autocast on the CPU, in that of fp32; best of `repeats`."""
    layer = nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1).to(memory_format=torch.channels_last)
    image = torch.zeros(1, CHANNELS, *CELLS).contiguous(memory_format=torch.channels_last).requires_grad_()

    def seconds(bf16: bool) -> float:
        begin = time.perf_counter()
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            out = layer(image)
        out.float().sum().backward()
        return time.perf_counter() - begin

    # In turns: beside other work both meet the same moments.
    of_each = zip(*((seconds(True), seconds(False)) for _ in range(repeats)), strict=True)
    with_bf16, without = map(min, of_each)
    return with_bf16 / without
