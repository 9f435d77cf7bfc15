"""The recipes of the report say what its text says, section by section."""

from dataclasses import fields

import pytest

from partwise.errors import PartwiseError
from partwise.recipes import RECIPES, recipe
from partwise.training.config import override
from partwise.training.optim import schedule
from partwise_report.instance_fcn import InstanceFcnConfig
from partwise_report.ordering import OrderingConfig
from partwise_report.slips import Slips

REPORT = [
    *("ordering_slice", "ordering_full", "parts_paper"),
    *(name for name in RECIPES if name.startswith("parts_report")),
]


@pytest.mark.parametrize(
    ("name", "lr", "steps", "batch_size", "optimiser"),
    [
        ("ordering_slice", 1e-4, 80_000, 1, "adam"),  # 2.3.1
        ("ordering_full", 1e-4, 80_000, 1, "adam"),  # 2.3.2
        ("parts_report_1", 1e-6, 50_000, 1, "adam"),  # 2.4.5
        ("parts_report_2", 1e-8, 100_000, 1, "adam"),  # 2.4.6
        ("parts_report_3", 1e-6, 150_000, 1, "adam"),  # 2.4.7
        ("parts_paper", 1e-3, 40_000, 8, "sgd"),  # InstanceFCN, section 4
    ],
)
def test_rates_and_lengths_are_those_of_the_text(name, lr, steps, batch_size, optimiser):
    made = recipe(name)
    assert (made.optim.name, made.optim.lr, made.optim.backbone_lr_factor) == (optimiser, lr, 1.0)
    assert (made.training.steps, made.training.batch_size) == (steps, batch_size)
    assert made.backbone_weights == "torchvision"


def test_the_implementations_differ_as_the_text_says():
    made = [recipe(f"parts_report_{number}").method for number in (1, 2, 3)]
    assert [m.features for m in made] == ["skips", "holes", "holes"]
    assert [m.objectness for m in made] == ["mean_l1", "central4", "window"]
    assert [m.mask_loss for m in made] == ["plain", "balanced", "balanced"]
    assert all(m.windows == "report" and m.k == 3 and m.classes == (26,) for m in made)
    paper = recipe("parts_paper").method
    assert (paper.features, paper.windows, paper.objectness, paper.mask_loss) == ("holes", "paper", "centre", "plain")
    assert paper.decode.nms_iou == 0.8 and len(paper.decode.short_sides_px) == 6


WRITTEN = [name for name in REPORT if not name.endswith("committed")]
IN_EVERY_CODE = {slip.name for slip in fields(Slips)} - {
    *("linear_branches", "lost_conv5_1", "one_dilated_layer", "objectness_all_ones"),
}


@pytest.mark.parametrize("name", WRITTEN)
def test_slips_are_off_where_the_text_is_followed(name):
    config = recipe(name).method
    if isinstance(config, OrderingConfig):
        assert not (config.vertical_first or config.merge_last)
    else:
        assert config.slips == Slips() and config.reduction == "mean" and config.target_level == "cells"


@pytest.mark.parametrize(
    ("number", "mask_loss", "slips"),
    [
        (1, "plain", {"linear_branches"}),
        (2, "weighted", {"lost_conv5_1", "one_dilated_layer"}),
        (3, "weighted", {"lost_conv5_1", "one_dilated_layer", "objectness_all_ones"}),
    ],
)
def test_each_implementation_has_the_slips_of_its_own_code(number, mask_loss, slips):
    written, committed = recipe(f"parts_report_{number}"), recipe(f"parts_report_{number}_committed")
    method = committed.method
    assert {slip.name for slip in fields(Slips) if getattr(method.slips, slip.name)} == IN_EVERY_CODE | slips
    assert (method.mask_loss, method.reduction, method.target_level) == (mask_loss, "sum", "pixels")
    assert (committed.optim.name, committed.optim.lr) == ("adam", 1e-6)  # 1e-8 is in no commit
    assert method.negative_px == (16, 448)
    same = ("features", "windows", "objectness", "k", "classes", "backbone", "windows_per_image", "branch_stride")
    assert all(getattr(method, name) == getattr(written.method, name) for name in same)
    assert committed.training == written.training and committed.data == written.data


def test_the_older_name_of_implementation_iii_as_committed_still_works():
    assert recipe("parts_report_committed").method == recipe("parts_report_3_committed").method


def test_one_slip_can_be_put_back_from_the_command_line():
    made = override(recipe("parts_report_3"), ["method.slips.zero_start=true", "method.k=7"])
    assert isinstance(made.method, InstanceFcnConfig)
    assert made.method.slips == Slips(zero_start=True) and made.method.k == 7


@pytest.mark.parametrize(
    ("name", "assignment"),
    [
        ("ordering_full", "method.source=half"),
        ("ordering_full", "method.max_instances=255"),
        ("parts_paper", "method.objectness=mean"),
        ("parts_paper", "method.decode.short_sides_px=[0]"),
        ("parts_paper", "method.decode.max_instances=0"),
        ("parts_report_1", "method.sizes_px=[]"),
        ("parts_report_1", "method.branch_channels=0"),
        ("parts_report_1", "method.slips.zero_strat=true"),
        ("parts_report_1", "method.enlarge=3"),
        ("parts_report_1", "method.windows_per_image=255"),
        ("parts_report_1", "method.margin_px=-1"),
        ("parts_report_1", "method.negative_shift_px=0"),
        ("parts_report_1", "method.reduction=max"),
        ("parts_report_1", "method.branch_stride=4"),
    ],
)
def test_a_value_out_of_its_limits_is_named(name, assignment):
    with pytest.raises(PartwiseError, match=assignment.split("=")[0].rsplit(".", 1)[-1]):
        override(recipe(name), [assignment])


def test_the_papers_schedule_drops_after_four_fifths():
    """32,000 of 40,000 steps at the full rate, 8,000 at a tenth."""
    assert [schedule("step", step / 40_000) for step in (0, 31_999, 32_000, 39_999)] == [1.0, 1.0, 0.1, 0.1]
