"""What the report trained, as its text has it, and what the paper behind it says; each departure of ours is named.

The report's frames are 2048x1024, uncropped and unchanged, one a step, with Adam (2.1 and its code). Here a step sees
1024x512 pixels without changes: all of a frame at half resolution; for whole frames at full resolution give
data.augment.crop=[1024,2048], and for its geometry on frames of half the size method.enlarge=2. Losses are means over
windows; the sums of the text are method.reduction=sum. Lengths are the report's: say --steps or --minutes for another.

The slips of the report's code are off: put one back with method.slips.NAME=true. `parts_report_1_committed`,
`parts_report_2_committed` and `parts_report_3_committed` have those of each implementation. Read from
GrumpyZhou/APC_InstanceSegmentation (2017), branch city-instance-sensitive-fcn; each names its commits.
"""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any, Literal, TypeAlias, cast

from partwise.data.loader import DataConfig
from partwise.data.transforms import AugmentConfig
from partwise.recipes import parts_vgg
from partwise.training.config import OptimConfig, Recipe, TrainingConfig
from partwise_report.instance_fcn import InstanceFcnConfig, InstanceFcnDecodeConfig
from partwise_report.ordering import OrderingConfig
from partwise_report.slipped_parts import SlippedPartsConfig
from partwise_report.slips import Slips

MaskLoss: TypeAlias = Literal["plain", "balanced", "weighted"]
UNCHANGED = DataConfig(
    augment=AugmentConfig(crop=(512, 1024), scale=(1.0, 1.0), flip=0, photometric=0, centre_instance=0)
)
# InstanceFCN, section 4: the short side of an image in training and, as a pyramid, at inference.
SHORT_SIDES_PX = (119, 178, 267, 400, 600, 900)
FRAME_SHORT_SIDE_PX = 512  # of the frames that the scales of training are meant for


def ordering_slice() -> Recipe:
    """Report 2.3.1: from the car slice of FCN-8s's score to the ranks; start it from a trained fcn8s with --weights."""
    return _ordering("ordering_slice", "slice", "a 3x3 convolution from the car slice of FCN-8s (report 2.3.1)")


def ordering_full() -> Recipe:
    """Report 2.3.2: the score layers replaced by ones of ranks; start it from a trained fcn8s with --weights."""
    return _ordering("ordering_full", "full", "score layers of ranks over all features of FCN-8s (report 2.3.2)")


def _ordering(name: str, source: Literal["slice", "full"], about: str) -> Recipe:
    """Report 2.3.1: learning rate 1e-4, 80,000 iterations."""
    return Recipe(
        name=name,
        about=f"cars told apart by the order of their centres: {about}; start it from fcn8s",
        method=OrderingConfig(source=source),
        backbone_weights="torchvision",
        data=UNCHANGED,
        optim=_adam(1e-4),
        training=_length(80_000),
    )


def parts_report_1() -> Recipe:
    """Report 2.4.5, Implementation I: features of FCN-8s with skips, the mean of a window as its objectness.

    Start it from a trained fcn8s with --weights. Learning rate 1e-6, 50,000 iterations.
    """
    return _parts_report(
        1, "(2.4.5); start it from fcn8s", 1e-6, 50_000, features="skips", objectness="mean_l1", mask_loss="plain"
    )


def parts_report_2() -> Recipe:
    """Report 2.4.6, Implementation II: the paper's holes, balanced mask loss, four central pixels as objectness.

    Start it from a trained fcn8s with --weights: its backbone fits. Learning rate 1e-8, 100,000 iterations.
    """
    return _parts_report(
        2, "(2.4.6); start it from fcn8s", 1e-8, 100_000, features="holes", objectness="central4", mask_loss="balanced"
    )


def parts_report_3() -> Recipe:
    """Report 2.4.7, Implementation III: as II, but every pixel of the window as objectness, from ImageNet's VGG16.

    50,000 and then 100,000 iterations; the report names no learning rate for it: here that of Implementation I.
    """
    return _parts_report(
        3, "(2.4.7), from ImageNet weights", 1e-6, 150_000, features="holes", objectness="window", mask_loss="balanced"
    )


def _parts_report(number: int, about: str, lr: float, steps: int, **fields: Any) -> Recipe:
    """Return the recipe of an implementation of section 2.4 with these fields of its method."""
    return Recipe(
        name=f"parts_report_{number}",
        about=f"instance-sensitive FCN, the report's Implementation {'I' * number} {about}",
        method=InstanceFcnConfig(windows="report", **fields),
        backbone_weights="torchvision",
        data=UNCHANGED,
        optim=_adam(lr),
        training=_length(steps),
    )


# Slips of the published code of phase 3 that all three implementations have.
_IN_EVERY_CODE = (
    *("zero_start", "no_mean_subtraction", "wrong_negatives", "one_positive_shift", "whole_parts"),
    *("no_border_windows", "sparse_inference", "overlap_of_image", "summed_windows"),
)


def parts_report_1_committed() -> Recipe:
    """Implementation I as committed: read from its last commit, 7000e2b (2017-02-19), and those before it.

    The branches are linear. Adam's rate is 1e-6, as in the text; from 2017-02-15 on it was mostly 1e-5
    (optim.lr=1e-5). Later commits departed from the text in two more ways, which are left out here: positives weighted
    in the mask loss (5569caa; method.mask_loss=weighted), and the logistic objectness of the whole window (bfad5d3;
    method.objectness=window).
    """
    return _committed(parts_report_1(), "Implementation I", 1e-6, "plain", "linear_branches")


def parts_report_2_committed() -> Recipe:
    """Implementation II as committed: read from its last commit, 60e4d2d, and those from ad41751 (2017-02-21) on.

    Adam's rate is 1e-6 there, before that it was 1e-5, and once 1e-4 (optim.lr); the 1e-8 of the report's text is in no
    commit, see `parts_report_2`.
    """
    return _committed(parts_report_2(), "Implementation II", 1e-6, "weighted", "lost_conv5_1", "one_dilated_layer")


def parts_report_3_committed() -> Recipe:
    """Implementation III as committed: read from the commits 0a2407a to 07d5001 (from 2017-03-03 on).

    From 7e9ee75 on, the target of the objectness is 1 for negative windows, too.
    """
    return _committed(
        *(parts_report_3(), "Implementation III", 1e-6, "weighted"),
        *("lost_conv5_1", "one_dilated_layer", "objectness_all_ones"),
    )


def parts_report_committed() -> Recipe:
    """An older name of `parts_report_3_committed`."""
    return replace(parts_report_3_committed(), name="parts_report_committed")


def _committed(written: Recipe, title: str, lr: float, mask_loss: MaskLoss, *slips: str) -> Recipe:
    """A system as its text describes it, with what the published code did otherwise.

    In the code of all three, the loss of a window is the mean over its pixels, to which the maps are enlarged, and
    windows are summed. The frames' fixed order in training is left out.

    Args:
        written: As the text describes it.
        title: Its name in the report.
        lr: Adam's rate.
        mask_loss: Of the code.
        slips: Those that not every implementation has.
    """
    method = replace(
        cast(InstanceFcnConfig, written.method),
        mask_loss=mask_loss,
        reduction="sum",
        target_level="pixels",
        slips=Slips(**dict.fromkeys((*_IN_EVERY_CODE, *slips), True)),
    )
    about = f"the report's {title} with the slips of its committed code put back"
    if written.name != "parts_report_3":
        about += "; start it from fcn8s"
    return replace(written, name=f"{written.name}_committed", about=about, method=method, optim=_adam(lr))


def parts_paper() -> Recipe:
    """InstanceFCN itself (Dai et al. 2016, sections 3 and 4), for cars as in the report.

    SGD with momentum .9 and weight decay 5e-4, 1e-3 for 32,000 steps and 1e-4 for 8,000, 8 images a step. The paper
    draws the short side of a training image from six; here the scale is drawn between the first and the last of them.
    """
    scale = (SHORT_SIDES_PX[0] / FRAME_SHORT_SIDE_PX, SHORT_SIDES_PX[-1] / FRAME_SHORT_SIDE_PX)
    return Recipe(
        name="parts_paper",
        about="instance-sensitive FCN as the paper has it (Dai et al. 2016): fixed windows, image pyramid",
        method=InstanceFcnConfig(decode=InstanceFcnDecodeConfig(short_sides_px=SHORT_SIDES_PX)),
        backbone_weights="torchvision",
        data=DataConfig(augment=AugmentConfig(crop=(512, 1024), scale=scale, photometric=0, centre_instance=0)),
        optim=OptimConfig(
            name="sgd", lr=1e-3, backbone_lr_factor=1.0, weight_decay=5e-4, warmup_steps=0, schedule="step", clip_norm=0
        ),
        training=TrainingConfig(steps=40_000, batch_size=8, checkpoint_every_seconds=300),
    )


def parts_vgg_slips() -> Recipe:
    """`parts_vgg` with method.slips.NAME=true for slips of the report's code; without any it is the same."""
    ours = parts_vgg()
    method = SlippedPartsConfig(**{one.name: getattr(ours.method, one.name) for one in fields(ours.method)})
    return replace(ours, name="parts_vgg_slips", about="parts_vgg with slips of the report's code", method=method)


def _adam(lr: float) -> OptimConfig:
    """Adam at one rate for all weights, without decay, warming up, or clipping: the report names none of them."""
    return OptimConfig(
        name="adam", lr=lr, backbone_lr_factor=1.0, weight_decay=0.0, warmup_steps=0, schedule="constant", clip_norm=0
    )


def _length(steps: int) -> TrainingConfig:
    return TrainingConfig(steps=steps, checkpoint_every_seconds=300)
