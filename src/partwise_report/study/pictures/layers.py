"""The layers of a network, read from the network itself: one pass of a copy without weights tells what each makes.

Axes: H and W in pixels of the image.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import nn

from partwise.methods import MethodConfig, build_method

READ_AT = (512, 1024)  # (H, W) in pixels of the image that is sent through
Kind = Literal["convolution", "pooling", "deconvolution"]
KINDS: dict[type[nn.Module], Kind] = {
    nn.Conv2d: "convolution",
    nn.ConvTranspose2d: "deconvolution",
    nn.MaxPool2d: "pooling",
}


@dataclass(frozen=True)
class Layer:
    """One layer, or several alike that follow each other.

    Attributes:
        name: Of the module, such as "backbone.features.0".
        kind: What it does.
        kernel: Side of its kernel in cells.
        dilation: Of its kernel.
        channels: Of its output.
        stride_px: Pixels of the image for one cell of its output.
        count: How many layers of this kind, kernel and width follow each other.
    """

    name: str
    kind: Kind
    kernel: int
    dilation: int
    channels: int
    stride_px: int
    count: int = 1


def layers_of(config: MethodConfig) -> list[Layer]:
    """Read the layers of a network in the order in which they run.

    Args:
        config: Of the network. Its weights are neither made nor needed.
    """
    with torch.device("meta"):
        method = build_method(config).eval()
    found: list[Layer] = []
    for name, module in method.named_modules():
        if type(module) in KINDS:
            module.register_forward_hook(_reader(name, KINDS[type(module)], found))
    with torch.no_grad():
        method(torch.zeros(1, 3, *READ_AT, dtype=torch.uint8, device="meta"))
    return found


def _reader(
    name: str, kind: Kind, found: list[Layer]
) -> Callable[[nn.Module, tuple[torch.Tensor, ...], torch.Tensor], None]:
    def read(module: nn.Module, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
        kernel, dilation = (_first(getattr(module, one)) for one in ("kernel_size", "dilation"))
        channels, height = output.shape[1], output.shape[-2]
        found.append(Layer(name, kind, kernel, dilation, channels, READ_AT[0] // height))

    return read


def _first(value: int | Sequence[int]) -> int:
    return value if isinstance(value, int) else value[0]


def joined(layers: Sequence[Layer]) -> list[Layer]:
    """Layers alike that follow each other as one with a count.

    >>> one = Layer("a", "convolution", 3, 1, 64, 1)
    >>> [layer.count for layer in joined([one, one, replace(one, channels=128)])]
    [2, 1]
    """
    made: list[Layer] = []
    for layer in layers:
        if made and replace(made[-1], name="", count=1) == replace(layer, name=""):
            made[-1] = replace(made[-1], count=made[-1].count + 1)
        else:
            made.append(layer)
    return made


def backbone_blocks(layers: Sequence[Layer]) -> list[list[Layer]]:
    """The layers of the backbone in blocks, each of which ends with its pooling where it has one."""
    blocks: list[list[Layer]] = [[]]
    for layer in layers:
        if not layer.name.startswith("backbone."):
            continue
        if blocks[-1] and blocks[-1][-1].kind == "pooling":
            blocks.append([])
        blocks[-1].append(layer)
    return blocks


def within(layers: Sequence[Layer], part: str) -> list[Layer]:
    """The layers of one part of the network, such as "conv6" or "skips.16"."""
    return [layer for layer in layers if layer.name == part or layer.name.startswith(f"{part}.")]
