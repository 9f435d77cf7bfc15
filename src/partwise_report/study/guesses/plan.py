"""What the study of the report's guesses trains: variants in groups, the most decisive groups first.

All variants of a group have one length, one crop and one set of frames, but for what their names say.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from typing import Any

from partwise_report.study.guesses.variant import GROUPS, WHOLE, Variant
from streeteval.errors import unknown_name

# Of every variant that has the field: fp32, the rate of the study, and decoders that cost little.
COMMON = (
    "training.precision=no",
    "training.checkpoint_every_seconds=60",
    "optim.name=adamw",
    "optim.lr=1e-3",
    "optim.warmup_steps=20",
    "optim.schedule=poly",
    "optim.clip_norm=10",
    "optim.weight_decay=0",
)
PARTS = ("method.branch_channels=128",)
DECODER = ("method.decode.nms_iou=0.5", "method.decode.max_windows=300", "method.decode.max_instances=100")
ADAM = ("optim.name=adam", "optim.warmup_steps=0", "optim.schedule=constant", "optim.clip_norm=0")


def _slip(name: str, back: bool = True) -> str:
    return f"method.slips.{name}={'true' if back else 'false'}"


def _three(name: str, group: str, about: str, *overrides: str, **how: Any) -> Variant:
    """Implementation III as the text has it, changed."""
    return Variant(name, group, "parts_report_3", about, (*PARTS, *DECODER, *overrides), **how)


def _committed(name: str, group: str, about: str, *overrides: str, **how: Any) -> Variant:
    """Implementation III as committed, but for the lost conv5_1, changed. The store must be that of its backbone."""
    fixed = (*PARTS, *DECODER, _slip("lost_conv5_1", False))
    return Variant(name, group, "parts_report_3_committed", about, (*fixed, *overrides), **how)


_SKIPS = ("method.features=skips", "method.channels=512")
HEADS = (
    _three("corrected", "heads", "Implementation III as the text has it"),
    _three("objectness_centre", "heads", "objectness: one logit at the centre", "method.objectness=centre"),
    _three("objectness_mean", "heads", "objectness: the mean of the window", "method.objectness=mean_l1"),
    _three("objectness_four", "heads", "objectness: the four central pixels", "method.objectness=central4"),
    _three("mask_plain", "heads", "mask loss not balanced", "method.mask_loss=plain"),
    _three("mask_weighted", "heads", "mask loss weighted as in the code", "method.mask_loss=weighted"),
    _three("skips", "heads", "skips instead of holes", *_SKIPS),
    _three("skips_plain", "heads", "skips, and the mask loss not balanced", *_SKIPS, "method.mask_loss=plain"),
    _three("channels_512", "heads", "512 channels in each branch, as in the report", "method.branch_channels=512"),
    _three("margin_16", "heads", "windows with a margin of 16 px", "method.margin_px=16", "method.shift_px=8"),
)
RATES = tuple(
    _three(f"rate_{lr}", "rates", f"Adam at {lr}", *ADAM, f"optim.lr={lr}") for lr in ("1e-4", "1e-5", "1e-6", "1e-8")
)
# Adam at 1e-5 goes about as far in 15,000 steps as at 1e-6 in the 150,000 steps of the report.
PATIENCE = tuple(
    _three(f"rate_{lr}_{name}", "patience", f"Adam at {lr}, {steps:,} steps", *ADAM, f"optim.lr={lr}", steps=steps)
    for lr, name, steps in (("1e-5", "short", 2000), ("1e-5", "long", 15000), ("1e-6", "long", 20000))
)
SLIPS = (
    _three("slip_zero_start", "slips", "new layers start at weight 0 and bias .1", _slip("zero_start")),
    _three("slip_linear", "slips", "no ReLU between the two layers of a branch", _slip("linear_branches")),
    _three("slip_all_ones", "slips", "every window's objectness is 1", _slip("objectness_all_ones")),
    _three("slip_negatives", "slips", "negative windows as in the code", _slip("wrong_negatives")),
    _three("slip_one_shift", "slips", "positive windows shifted by one amount in x and y", _slip("one_positive_shift")),
    _three("slip_whole_parts", "slips", "sides of windows in multiples of k cells", _slip("whole_parts")),
    _three("slip_border", "slips", "no window for objects near the border", _slip("no_border_windows")),
    _three("slip_sparse", "slips", "windows at every 29th cell at inference", _slip("sparse_inference")),
    _three("slip_overlap", "slips", "suppression by the overlap in the whole image", _slip("overlap_of_image")),
    _three("slip_summed", "slips", "output sums all windows", _slip("summed_windows")),
    _three("slip_pixels", "slips", "truth at pixels, maps enlarged", "method.target_level=pixels"),
    _three("slip_sum", "slips", "losses summed over windows", "method.reduction=sum"),
    _three("slip_mean", "slips", "images keep their mean", _slip("no_mean_subtraction"), store="no_mean"),
    _three(
        "slip_one_dilated", "slips", "one dilated layer, pool4 dropped", _slip("one_dilated_layer"), store="one_dilated"
    ),
)
_START = (_slip("zero_start", False),)
_TARGET = (_slip("objectness_all_ones", False),)
_WINDOWS = tuple(
    _slip(name, False) for name in ("wrong_negatives", "one_positive_shift", "whole_parts", "no_border_windows")
)
_LOSS = ("method.mask_loss=balanced", "method.reduction=mean", "method.target_level=cells")
_BACKBONE = (_slip("no_mean_subtraction", False), _slip("one_dilated_layer", False))
_INFERENCE = tuple(_slip(name, False) for name in ("sparse_inference", "overlap_of_image", "summed_windows"))
_SIX = (*ADAM, "optim.lr=1e-6")
# Instances are read out in the usual way, so that AP says what was learnt; its own is a step of the chain.
CORRECTIONS = (
    _committed("committed_rate", "corrections", "as committed, at 1e-3", *_INFERENCE, store="committed"),
    _committed(
        "correct_start", "corrections", "and new layers start at random", *_INFERENCE, *_START, store="committed"
    ),
    _committed(
        "correct_target", "corrections", "and negatives have objectness 0", *_INFERENCE, *_TARGET, store="committed"
    ),
    _committed("correct_windows", "corrections", "and the text's windows", *_INFERENCE, *_WINDOWS, store="committed"),
    _committed("correct_loss", "corrections", "and the text's losses", *_INFERENCE, *_LOSS, store="committed"),
    _committed(
        "correct_backbone", "corrections", "and the paper's backbone, images without mean", *_INFERENCE, *_BACKBONE
    ),
)
_PYRAMID = (
    "method.channels=64",
    "method.semantic_stride_px=4",
    "method.refine_masks=false",
    "method.context=[]",
    "training.ema=0",
)


def _pyramid(name: str, about: str, *overrides: str) -> Variant:
    return Variant(name, "chain", "parts_vgg", about, (*_PYRAMID, *overrides))


_FIXED = ("method.windows=[[8,21]]", "method.assembling=nearest")
_PLAIN_LOSS = ("method.dice_weight=0", "method.class_balance=0")
_PLAIN_SCORE = ("method.decode.quality_power=0", "method.decode.sharpen=0", "method.decode.class_share=1")
_PAPER, _MEAN = "method.windows=paper", "method.objectness=mean_l1"  # the objectness with the highest AP of cars
# Each step keeps the corrections before it.
_UP_TO_TARGET = (*_INFERENCE, *_START, *_TARGET)
CHAIN = (
    _committed("chain_0", "chain", "Implementation III as committed", *_SIX, store="committed"),
    _committed("chain_1", "chain", "+ usual inference", *_SIX, *_INFERENCE, store="committed"),
    _committed("chain_2", "chain", "+ random start", *_INFERENCE, *_START, store="committed"),
    _committed("chain_3", "chain", "+ target of negatives", *_UP_TO_TARGET, store="committed"),
    _committed("chain_4", "chain", "+ windows", *_UP_TO_TARGET, *_WINDOWS, store="committed"),
    _committed("chain_5", "chain", "+ backbone", *_UP_TO_TARGET, *_WINDOWS, *_BACKBONE),
    _three("chain_6", "chain", "objectness at the centre, the paper's windows", "method.objectness=centre", _PAPER),
    _pyramid("chain_7", "our network, plain losses and scores, one fixed window", *_FIXED, *_PLAIN_LOSS, *_PLAIN_SCORE),
    _pyramid("chain_8", "+ Dice and balanced classes", *_FIXED, *_PLAIN_SCORE),
    _pyramid("chain_9", "our heads and losses, one fixed window", *_FIXED),
    _pyramid("chain_10", "+ windows that scale", "method.assembling=nearest"),
    _pyramid("working", "+ parts blended (bilinear)"),
)
# Step by step: name of a variant -> what it adds to the one before it.
CHAIN_STEPS = {
    "chain_0": "Implementation III as committed",
    "chain_1": "usual inference",
    "committed_rate": "rate 1e-3",
    "chain_2": "random start",
    "chain_3": "target of negatives",
    "chain_4": "windows",
    "chain_5": "backbone",
    "corrected": "the text's losses",
    "objectness_centre": "objectness at the centre",
    "chain_6": "the paper's windows",
    "chain_7": "our network",
    "chain_8": "Dice and balanced classes",
    "chain_9": "scores by mask quality, masks sharpened by semantics",
    "chain_10": "windows that scale",
    "working": "blended parts",
}
TRUTH = (
    _three("report_windows", "truth", "the report's windows", steps=2000),
    _three("paper_windows", "truth", "the paper's windows", _PAPER, steps=2000),
    _three("report_windows_mean", "truth", "the report's windows, objectness: the mean", _MEAN, steps=2000),
    _three("paper_windows_mean", "truth", "the paper's windows, objectness: the mean", _MEAN, _PAPER, steps=2000),
)
START = (_three("from_fcn8s", "start", "backbone of FCN-8s", store="fcn8s"),)
SIZES = tuple(
    _three(f"size_{n}{name}", "sizes", f"the middle 512x256 px, {n} times as large", *fields, store=f"middle_{n}")
    for name, mean in (("", ()), ("_mean", (_MEAN,)))
    for n, fields in ((n, (f"method.enlarge={n}", *mean)) for n in (1, 2, 4))
)


def _order(name: str, recipe: str, about: str, *overrides: str) -> Variant:
    rate = "optim.lr=2e-4"
    return Variant(f"order_{name}", "orders", recipe, about, (rate, *overrides), 2000, WHOLE, "fcn8s", "fcn8s")


ORDERS = (
    _order("slice", "ordering_slice", "ranks from the car slice (2.3.1)"),
    _order("full", "ordering_full", "ranks from all features (2.3.2)"),
    _order("cars_only", "ordering_full", "the loss on cars alone", "method.loss_over=instances"),
    _order("coordinates", "ordering_coordinates", "ranks; the last layers see y and x"),
    _order("locations", "ordering_locations", "the cell of the centre instead of its rank"),
    _order("hungarian", "ordering_hungarian", "30 maps in the assignment that fits best"),
    _order("colouring", "ordering_colouring", "8 colours, shared by instances far from each other"),
    Variant(
        "order_offsets",
        "orders",
        "centres_vgg",
        "each pixel's offset to its own centre, from ImageNet weights",
        ("method.channels=64", "method.semantic_stride_px=4"),
        2000,
        WHOLE,
    ),
)
ORDER_STEPS = {
    "order_slice": "ranks from the car slice",
    "order_full": "all features",
    "order_coordinates": "y and x",
    "order_locations": "place instead of rank",
    "order_offsets": "offsets",
}
_SMALL = {"crop": (128, 256), "steps": 500, "conv5_learns": True}
CONV5 = (
    _three("conv5_learnt", "conv5", "conv5 is learnt", **_SMALL),
    _three("conv5_lost", "conv5", "conv5_1 starts at 0", _slip("lost_conv5_1"), **_SMALL),
)
VARIANTS = (*HEADS, *RATES, *SLIPS, *CORRECTIONS, *CHAIN, *PATIENCE, *TRUTH, *START, *SIZES, *ORDERS, *CONV5)
SHORT = (
    "corrected",
    "objectness_centre",
    "objectness_mean",
    "mask_plain",
    "rate_1e-6",
    "slip_zero_start",
    "slip_all_ones",
)


def choose(names: Iterable[str] = (), variants: Sequence[Variant] = VARIANTS) -> list[Variant]:
    """The variants whose name or group fits one of `names` (patterns such as "slip_*" too), in their order.

    Args:
        names: None for all; "short" for those of the short form.
        variants: To choose from.

    Raises:
        PartwiseError: For a name that fits none.
    """
    wanted: set[str] = set()
    for name in names:
        fitting = {v.name for v in variants if v.group == name or fnmatchcase(v.name, name)}
        fitting |= set(SHORT) if name == "short" else set()
        if not fitting:
            raise unknown_name("variant or group", name, [*GROUPS, *(v.name for v in variants)])
        wanted |= fitting
    return [variant for variant in variants if not wanted or variant.name in wanted]
