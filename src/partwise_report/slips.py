"""The slips of the report's published code, each a switch that puts it back alone; all off unless a recipe says so.

Source: the code that the report's authors published (GrumpyZhou/APC_InstanceSegmentation, 2017); what its text says is
in the recipes, what its code did differently is here.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from partwise.backbones import POOL, Backbone, VggBackbone
from partwise.errors import PartwiseError
from partwise.fields import configuration

CONV5 = (24, 26, 28)  # conv5_1, conv5_2, conv5_3 in torchvision's `features`
START_BIAS = 0.1  # of every new convolution in the report's code
SPARSE_STEP_CELLS = 29  # 21 cells of a window and the 8 of a stride that was meant in pixels


@configuration
class Slips:
    """Which slips of the report's code are put back.

    Attributes:
        objectness_all_ones: The objectness target is 1 for every window, negative ones too.
        zero_start: Every new convolution starts at weight 0 and bias .1, the two stacked ones of a branch too.
        lost_conv5_1: VGG16's conv5_1 starts at 0 instead of its ImageNet weights.
        one_dilated_layer: The hole algorithm dilates conv5_1 only, and pool4 is dropped.
        wrong_negatives: Negative windows are shifted by the same amount in x and y, drawn evenly from 16 to 448 px in
            both directions (unless the method's fields give other limits): most lie far away, some nearer than the 32
            px of a true negative. The test whether a window is right for an object compares x of the one with y of the
            other.
        one_positive_shift: Positive windows, too, are shifted by the same amount in x and y.
        whole_parts: The sides of windows are rounded down to whole cells of every part: to a multiple of 24 px.
        no_border_windows: An object whose padded box leaves the image gets no window.
        sparse_inference: Windows advance by 29 cells at inference instead of by one.
        overlap_of_image: Suppression at inference measures the overlap of two windows as a share of the image, not of
            their union: hardly any is suppressed.
        summed_windows: The result is one mask, the sum of all windows that are left, instead of one mask a window.
        no_mean_subtraction: The backbone sees images without their mean subtracted; the scale stays the one of its
            weights.
        linear_branches: No ReLU between the two convolutions of a branch.
    """

    objectness_all_ones: bool = False
    zero_start: bool = False
    lost_conv5_1: bool = False
    one_dilated_layer: bool = False
    wrong_negatives: bool = False
    one_positive_shift: bool = False
    whole_parts: bool = False
    no_border_windows: bool = False
    sparse_inference: bool = False
    overlap_of_image: bool = False
    summed_windows: bool = False
    no_mean_subtraction: bool = False
    linear_branches: bool = False


def put_back(method: Any, slips: Slips) -> None:
    """Change a new network, backbone and branches, as those slips say that lie in its layers."""
    if slips.zero_start:
        start_at_zero(*(child for name, child in method.named_children() if name != "backbone"))
    if slips.one_dilated_layer:
        dilate_one_layer(method.backbone)
    if slips.lost_conv5_1:
        lose_conv5_1(method.backbone)


def start_at_zero(*modules: nn.Module) -> None:
    """zero_start: the weights of every convolution to 0, its bias to .1; where a norm holds the bias, that one's."""
    for module in modules:
        for child in module.modules():
            if isinstance(child, nn.Conv2d):
                nn.init.zeros_(child.weight)
            if isinstance(child, nn.Conv2d | nn.GroupNorm) and child.bias is not None:
                nn.init.constant_(child.bias, START_BIAS)


def without_mean(images_B3HW: Tensor, backbone: Backbone) -> Tensor:
    """Apply the slip no_mean_subtraction.

    Args:
        images_B3HW: uint8, 0..255.
        backbone: Its weights expect a mean and a scale.

    Returns:
        (B, 3, H, W) float with this scale, the mean not subtracted.
    """
    std = torch.tensor(backbone.std, device=images_B3HW.device).view(3, 1, 1)
    return (images_B3HW / 255.0 / std).contiguous(memory_format=torch.channels_last)


def dilate_one_layer(backbone: VggBackbone) -> None:
    """one_dilated_layer: of a backbone with holes only conv5_1 stays dilated, and pool4 is passed over."""
    backbone.features[POOL[4]] = nn.Identity()
    for index in CONV5[1:]:
        backbone.features[index].dilation = backbone.features[index].padding = (1, 1)


def lose_conv5_1(backbone: Backbone) -> None:
    """lost_conv5_1: the layer starts at weight 0 and bias .1 and gets another name, so that no weight file has it.

    That is how it was lost: its key was renamed. A model saved with the slip keeps what the layer has learnt since.
    Raises PartwiseError for a backbone that has no conv5_1.
    """
    if not isinstance(backbone, VggBackbone):
        raise PartwiseError(f"method.slips.lost_conv5_1: backbone {backbone.name} has no conv5_1: give backbone=vgg16")
    backbone.features[CONV5[0]] = _Renamed(backbone.features[CONV5[0]])
    backbone.__class__ = _LostConv51  # same fields and parameters, another way to load


class _Renamed(nn.Module):
    def __init__(self, layer: nn.Conv2d):
        super().__init__()
        self.renamed = layer
        start_at_zero(layer)

    def forward(self, maps_BChw: Tensor) -> Tensor:
        return self.renamed(maps_BChw)


class _LostConv51(VggBackbone):
    def load_pretrained(self, source: str) -> str:
        """As VggBackbone, but conv5_1 keeps what it had."""
        kept = self.features[CONV5[0]]
        self.features[CONV5[0]] = nn.Conv2d(512, 512, 3, padding=1)
        try:
            return f"{super().load_pretrained(source)}, without conv5_1"
        finally:
            self.features[CONV5[0]] = kept
