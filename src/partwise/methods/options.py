"""Inference options: the device and precision of a network, and the sizes at which it sees an image.

Axes: B images, C evaluated classes, H and W pixels, h and w cells of a map.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np

from partwise.data.resized import planes_at
from partwise.errors import PartwiseError
from partwise.geometry import padded_size
from partwise.scene import Prediction
from streeteval.given import flag, shown
from streeteval.instances import Instances

if TYPE_CHECKING:
    import torch
    from torch import Tensor

__all__ = [
    "DEFAULT_OPTIONS",
    "LONGEST_SIDE_PX",
    "MAX_SCALE",
    "PRECISIONS",
    "InferenceOptions",
    "joined",
    "mean_outputs",
    "mean_semantics",
    "resized_images",
    "seen_sizes",
]

# The longer side of a Cityscapes frame. A larger photo shows larger objects rather than more of them, and a network
# finds only objects of the sizes that it was trained on.
LONGEST_SIDE_PX = 2048
MAX_SCALE = 8.0
PRECISIONS = ("no", "bf16", "auto")
Scale = float | Sequence[float] | None
Outputs = dict[str, Any]  # the outputs of a network by name: each is a tensor or a list of tensors


def seen_sizes(
    size: tuple[int, int], scale: Scale = None, usual: float = 1.0, view_px: int = 0
) -> list[tuple[int, int]]:
    """Compute the sizes at which a network sees an image.

    Args:
        size: (H, W) of the image in pixels.
        scale: How many times as large the network sees it, above 0 and at most MAX_SCALE, or several such numbers. None
            for the usual size.
        usual: The scale that the method was made for, see `Method.default_scale`. It gives the usual size, with no side
            longer than LONGEST_SIDE_PX.
        view_px: The maximum number of pixels of the usual size; 0 for no limit.

    Returns:
        (H, W) in pixels for each scale.

    Raises:
        PartwiseError: If a scale is not a number in this range.

    >>> seen_sizes((3000, 4000)), seen_sizes((512, 1024), usual=1.25), seen_sizes((512, 1024), (0.5, 2))
    ([(1536, 2048)], [(640, 1280)], [(256, 512), (1024, 2048)])
    >>> seen_sizes((3000, 4000), view_px=750_000), seen_sizes((32, 40), usual=1.25, view_px=750_000)
    ([(750, 1000)], [(40, 50)])
    """
    given: Any = scale
    if scale is None:
        given = min(usual, LONGEST_SIDE_PX / max(size))
        given = min(given, math.sqrt(view_px / (size[0] * size[1]))) if view_px else given
    scales: list[Any]
    try:
        scales = [given] if isinstance(given, str) else list(given)
    except TypeError:  # one number
        scales = [given]
    for one in scales or [0.0]:
        is_number = isinstance(one, Real)
        if not is_number or not 0 < one <= MAX_SCALE:
            raise PartwiseError(f"scale {shown(one)}: give a number above 0, at most {MAX_SCALE:g}")
    height, width = size
    return [(max(1, round(height * one)), max(1, round(width * one))) for one in scales]


@dataclass(frozen=True)
class InferenceOptions:
    """The options of a prediction, which are passed together from a caller to the network.

    Attributes:
        scale: How many times as large the network sees the image, above 0 and at most MAX_SCALE, or several such
            numbers; None for the default scale of the method, see `seen_sizes`.
        flip: Whether the network also sees the mirror image; the outputs of both are averaged (test-time augmentation).
        device: The device on which the network runs, as torch names it ("cpu", "cuda", "cuda:1"), or "auto" for a GPU
            if there is one. `partwise.load` checks that the device exists.
        precision: "no" (fp32), "bf16" (autocast), or "auto": `partwise.load` chooses what is faster on the device.
        overview: Whether objects that are too large for the windows at a scale are taken from a smaller view, see
            `views.predict_views`. Without it an object may end at the edge of a window.

    Raises:
        PartwiseError: If a scale is out of range, `flip` or `overview` is not a bool, or `precision` is unknown.
    """

    scale: Scale = None
    flip: bool = False
    device: str = "cpu"
    precision: str = "no"
    overview: bool = True

    def __post_init__(self) -> None:
        """Check the values, as far as this is possible without a model and a device."""
        seen_sizes((1, 1), self.scale)
        flag("flip", self.flip)
        flag("overview", self.overview)
        if not isinstance(self.precision, str) or self.precision not in PRECISIONS:
            raise PartwiseError(f"precision {self.precision!r}: give {', '.join(PRECISIONS[:-1])} or {PRECISIONS[-1]}")

    def changed(self, **fields: Any) -> InferenceOptions:
        """Return these options with other values for some fields; None leaves a field as it is.

        >>> InferenceOptions(flip=True).changed(scale=2, flip=None)
        InferenceOptions(scale=2, flip=True, device='cpu', precision='no', overview=True)
        """
        return replace(self, **{name: value for name, value in fields.items() if value is not None})

    def autocast(self) -> torch.autocast:
        """Return the context in which a network runs in this precision on this device.

        Raises:
            PartwiseError: If the precision is "auto", which is chosen when a model is loaded.
        """
        import torch

        if self.precision == "auto":
            raise PartwiseError("precision 'auto' is chosen when a model is loaded: give no or bf16 here")
        return torch.autocast(torch.device(self.device).type, torch.bfloat16, enabled=self.precision == "bf16")


DEFAULT_OPTIONS = InferenceOptions()


def resized_images(images_B3HW: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize images (bilinear, smoothed where they become smaller), on the CPU as every runtime does.

    Args:
        images_B3HW: (B, 3, H, W) uint8 on any device.
        size: New (H, W) in pixels.

    Returns:
        (B, 3, *size) uint8.
    """
    import torch
    from torch.nn import functional as F

    if tuple(images_B3HW.shape[-2:]) == tuple(size):
        return images_B3HW
    if images_B3HW.device.type == "cpu":
        return torch.from_numpy(np.stack([planes_at(one, size) for one in images_B3HW.numpy()]))
    scaled = F.interpolate(images_B3HW.float(), size=size, mode="bilinear", antialias=True)
    return scaled.round().clamp(0, 255).to(torch.uint8)


def mean_outputs(one: Outputs, other: Outputs) -> Outputs:
    """Average the outputs of a network for two views of the same images, map by map.

    Args:
        one: The outputs for one view.
        other: The outputs for the other view, with the same names and shapes.

    Returns:
        Outputs with the same names and shapes.
    """
    mean: Outputs = {}
    for key, maps in one.items():
        pairs = zip(maps, other[key], strict=True)
        mean[key] = [(a + b) / 2 for a, b in pairs] if isinstance(maps, list) else (maps + other[key]) / 2
    return mean


def mean_semantics(logits: list[Tensor], seen: list[tuple[int, int]], multiple: int) -> list[Tensor]:
    """Average the class probabilities of one image that was seen at several sizes.

    Args:
        logits: For each size (B, C, h, w) logits, over the image padded at the right and the bottom.
        seen: (H, W) of the image in pixels at each size, without the padding.
        multiple: The padded sides are multiples of this many pixels.

    Returns:
        For each size the logarithm of the mean probabilities, (B, C, h, w), at the cells of that size.
    """
    import torch

    probabilities = [torch.softmax(one.float(), dim=1) for one in logits]
    return [
        torch.stack(
            [
                _on_grid_of(own.shape[-2:], own_size, one, size, multiple)
                for one, size in zip(probabilities, seen, strict=True)
            ]
        )
        .mean(dim=0)
        .clamp(min=1e-8)
        .log()
        for own, own_size in zip(probabilities, seen, strict=True)
    ]


def _on_grid_of(
    cells: Sequence[int], seen: tuple[int, int], maps_BChw: Tensor, maps_seen: tuple[int, int], multiple: int
) -> Tensor:
    """Resample maps of one size of the image (bilinear) at the centres of the cells (h, w) of another size."""
    import torch
    from torch.nn import functional as F

    if seen == maps_seen and tuple(cells) == tuple(maps_BChw.shape[-2:]):
        return maps_BChw
    axes = []
    for count, side, maps_side in zip(cells, seen, maps_seen, strict=True):
        whole, maps_whole = padded_size((side, maps_side), multiple)
        share = (torch.arange(count) + 0.5) / count * whole / side  # position in the image, above 1 in the padding
        axes.append(2 * share * maps_side / maps_whole - 1)  # for grid_sample the maps reach from -1 to 1
    y, x = torch.meshgrid(*axes, indexing="ij")
    grid = torch.stack([x, y], dim=-1).to(maps_BChw)[None].expand(len(maps_BChw), -1, -1, -1)
    return F.grid_sample(maps_BChw, grid, mode="bilinear", padding_mode="border", align_corners=False)


def joined(predictions: list[Prediction], iou: float = 0.5) -> Prediction:
    """Join several predictions of one image: each instance is kept once, and the semantic map is that of the last one.

    Args:
        predictions: Predictions of the same size.
        iou: Two instances of one class are the same instance if their IoU is above it.

    Returns:
        The joined prediction, with the instance with the highest score first, as every decoder returns them.
    """
    together = Instances.joined([one.instances for one in predictions]).without_repeats(iou)
    return Prediction(together[np.argsort(-together.scores, kind="stable")], predictions[-1].semantic_HW)
