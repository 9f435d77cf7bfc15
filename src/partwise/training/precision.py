"""Whether a network is faster in bf16 than in fp32 on the hardware that it runs on."""

from __future__ import annotations

import time

import torch
from torch import nn

WORTH = 0.8  # of the time in fp32; less gain is not worth the rounding
CHANNELS, CELLS = 128, (32, 64)  # of the layer that is timed, a common one of VGG16


def gains_from_bf16(device: torch.device) -> bool:
    """Whether bf16 is worth its rounding on this device."""
    return time_in_bf16(device) < WORTH


def time_in_bf16(device: torch.device) -> float:
    """Time of a network in bf16 in that of fp32, near enough to tell whether it gains.

    A GPU gains where it has bf16 units, a CPU where it has AMX: .5 for these. A CPU with AVX-512 BF16 alone is timed,
    a quarter of a second: a step of VGG16 takes half as long on some of them and 1.7 times as long on others. Else 1.
    """
    if device.type == "cuda":
        return 0.5 if torch.cuda.is_bf16_supported(including_emulation=False) else 1.0
    capabilities = getattr(torch.cpu, "get_capabilities", dict)()  # since PyTorch 2.12
    if device.type != "cpu" or not (capabilities.get("amx_bf16") or capabilities.get("avx512_bf16")):
        return 1.0
    return 0.5 if capabilities.get("amx_bf16") else bf16_over_fp32()


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
