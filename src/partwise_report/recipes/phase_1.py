"""Phase 1 of the report (2.2.1): FCN-8s in three stages, as its published code builds and trains it.

20 score maps with void taught, conv7 of 3x3, learnt upsampling that starts as bilinear, cross entropy alone. Whole
frames without changes, one a step: 1024x512 here, 2048x1024 in the report.
"""

from __future__ import annotations

from typing import Literal

from partwise.training.config import OptimConfig, Recipe, TrainingConfig
from partwise_report.fcn import ReportFcnConfig
from partwise_report.recipes.systems import UNCHANGED

STAGE_STEPS = {"fcn32s_report": 15_000, "fcn16s_report": 800_000, "fcn8s_report": 100_000}  # report 2.2.1
FCN_REPORT = {name: steps / sum(STAGE_STEPS.values()) for name, steps in STAGE_STEPS.items()}
# One rate for all weights, without decay, warming up or clipping: the report names none of them.
ADAM = OptimConfig(
    name="adam", lr=1e-6, backbone_lr_factor=1.0, weight_decay=0.0, warmup_steps=0, schedule="constant", clip_norm=0
)


def fcn32s_report() -> Recipe:
    """The first stage: no skips, from ImageNet's VGG16, 15,000 iterations."""
    return _stage("fcn32s_report", 32, "FCN-32s as in the report, the first of three stages of fcn_report")


def fcn16s_report() -> Recipe:
    """The second stage: the skip from pool4, 800,000 iterations by the report's text; 80,000 by its log."""
    about = "FCN-16s as in the report; start it from fcn32s_report (800,000 steps of the text are 80,000 in its log)"
    return _stage("fcn16s_report", 16, about)


def fcn8s_report() -> Recipe:
    """The third stage: the skip from pool3, 100,000 iterations."""
    return _stage("fcn8s_report", 8, "FCN-8s as in the report; start it from fcn16s_report")


def _stage(name: str, output_stride: Literal[32, 16, 8], about: str) -> Recipe:
    return Recipe(
        name=name,
        about=about,
        method=ReportFcnConfig(output_stride=output_stride),
        backbone_weights="torchvision",
        data=UNCHANGED,
        optim=ADAM,
        training=TrainingConfig(steps=STAGE_STEPS[name], checkpoint_every_seconds=300),
    )
