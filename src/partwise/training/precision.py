"""Decide whether a network runs faster in bf16 than in fp32 on this hardware."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from partwise.machine import share_of_time
from streeteval.machine import processor

BF16_UNITS = ("amx_bf16", "avx512_bf16", "bf16")  # names of torch.cpu.get_capabilities for x86 and ARM
WORTH = 0.8  # bf16 must take less than this share of the time of fp32, because it rounds more
CHANNELS, CELLS = 128, (32, 64)  # size of the layer that is timed, a common size in VGG16


def gains_from_bf16(device: torch.device) -> bool:
    """Check whether bf16 is fast enough on this device to be worth its rounding."""
    return time_in_bf16(device) < WORTH


def bf16_emulation(device: torch.device) -> str:
    """Return a sentence that says that the hardware has no bf16 arithmetic and emulates it; "" if it has.

    It is also "" if this cannot be known: on other devices than a CPU or a CUDA GPU, and on a CPU before PyTorch 2.12.
    """
    if device.type == "cuda":
        has_units, what = torch.cuda.is_bf16_supported(including_emulation=False), "GPU"
    else:
        capabilities = _cpu_capabilities()
        known = device.type == "cpu" and bool(capabilities)
        has_units, what = not known or any(map(capabilities.get, BF16_UNITS)), f"processor ({processor()})"
    return "" if has_units else f"bf16 is emulated on this {what} and several times slower than fp32"


def slow_precision(device: torch.device) -> str:
    """Return a warning for a user who asks for bf16 on hardware that emulates it; "" if it does not."""
    emulation = bf16_emulation(device)
    return emulation and f"{emulation}: set the precision to no or auto"


def time_in_bf16(device: torch.device) -> float:
    """Estimate the time of a network in bf16 as a share of its time in fp32.

    A GPU with bf16 units and a CPU with AMX get .5 without a measurement. A CPU with AVX-512 BF16 but without AMX is
    timed for a quarter of a second, because a step of VGG16 takes half as long on some of these processors and 1.7
    times as long on others. All other devices get 1.
    """
    if device.type == "cuda":
        return 0.5 if torch.cuda.is_bf16_supported(including_emulation=False) else 1.0
    capabilities = _cpu_capabilities()
    if device.type != "cpu" or not (capabilities.get("amx_bf16") or capabilities.get("avx512_bf16")):
        return 1.0
    return 0.5 if capabilities.get("amx_bf16") else bf16_over_fp32()


def _cpu_capabilities() -> Mapping[str, Any]:
    """Return the capabilities of the processor by name; empty before PyTorch 2.12."""
    return getattr(torch.cpu, "get_capabilities", dict)()


def bf16_over_fp32(repeats: int = 4) -> float:
    """Time a 3x3 convolution, forward and backward, under autocast on the CPU.

    Args:
        repeats: Number of measurements; the shortest one counts.

    Returns:
        The time in bf16 as a share of the time in fp32.
    """
    layer = nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1).to(memory_format=torch.channels_last)
    image = torch.zeros(1, CHANNELS, *CELLS).contiguous(memory_format=torch.channels_last).requires_grad_()

    def step(bf16: bool) -> None:
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            out = layer(image)
        out.float().sum().backward()

    return share_of_time(lambda: step(True), lambda: step(False), repeats)
