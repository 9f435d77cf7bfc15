"""The slips of the report's published code, each a switch that puts it back alone; all off unless a recipe says so.

Source: the code that the report's authors published (GrumpyZhou/APC_InstanceSegmentation, 2017); what its text says is
in the recipes, what its code did differently is here.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Slips:
    """Which slips of the report's code are put back.

    objectness_all_ones   the objectness target is 1 for every window, negative ones too
    zero_start            every new convolution starts at weight 0 and bias .1, the two stacked ones of a branch too
    lost_conv5_1          VGG16's conv5_1 starts at 0 instead of its ImageNet weights
    one_dilated_layer     the hole algorithm dilates conv5_1 only, and pool4 is dropped
    wrong_negatives       negative windows are shifted by the same amount in x and y, from 16 px on: some are positives
    no_border_windows     an object whose padded box leaves the image gets no window
    sparse_inference      windows advance by 29 cells at inference instead of by one
    no_mean_subtraction   the trunk sees RGB 0..255 without its mean and scale
    """

    objectness_all_ones: bool = False
    zero_start: bool = False
    lost_conv5_1: bool = False
    one_dilated_layer: bool = False
    wrong_negatives: bool = False
    no_border_windows: bool = False
    sparse_inference: bool = False
    no_mean_subtraction: bool = False
