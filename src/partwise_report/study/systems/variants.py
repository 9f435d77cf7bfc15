"""What a study trains: each variant is a recipe with a few fields changed, started from another or from the backbone.

Source of the systems: report 2.2 to 2.4; of the slips: partwise_report/slips.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from streeteval.errors import unknown_name

GROUPS = {
    "written": "the report's systems: phase 1 by our training, phases 2 and 3 as its text describes them",
    "committed": "the same with the slips of the code that its authors published",
    "putback": "the working method with one switch put back at a time",
    "corrected": "the failing system with one thing corrected at a time, then with all of them",
    "guesses": "the corrected system with what each guess of the report blames put back",
    "orders": "the report's second phase with its fault corrected, each in another way",
}


@dataclass(frozen=True)
class Variant:
    """One training of the study.

    Attributes:
        group: A key of GROUPS.
        recipe: The recipe that it changes.
        overrides: Fields of the recipe, "field=value".
        start: The variant whose last weights it starts from; "" for the backbone's own weights.
        share: Of the budget: a variant of share 2 is trained twice as long as one of share 1.
        about: What it is, or how it differs from the base of its group.
    """

    name: str
    group: str
    recipe: str
    about: str
    overrides: tuple[str, ...] = ()
    start: str = ""
    share: float = 1.0


def _slip(name: str, back: bool = True) -> str:
    return f"method.slips.{name}={'true' if back else 'false'}"


# A rate at which new layers move within a small budget; the report's Adam at 1e-6 moves no weight by more than .15 in
# its longest run, at 1e-8 by no more than .001.
MOVING = ("optim.name=adamw", "optim.lr=1e-3", "optim.backbone_lr_factor=0.1", "optim.clip_norm=10")

WRITTEN = (
    Variant("fcn32s", "written", "fcn32s", "phase 1, first stage", share=0.8),
    Variant("fcn16s", "written", "fcn16s", "phase 1, second stage", start="fcn32s", share=0.4),
    Variant("fcn8s", "written", "fcn8s", "phase 1, third stage, from which others start", start="fcn16s"),
    Variant("ordering_slice", "written", "ordering_slice", "phase 2, from the car slice", start="fcn8s", share=0.5),
    Variant("ordering_full", "written", "ordering_full", "phase 2, from all features", start="fcn8s", share=0.5),
    Variant("parts_report_1", "written", "parts_report_1", "phase 3, implementation I", start="fcn8s", share=0.5),
    Variant("parts_report_2", "written", "parts_report_2", "phase 3, implementation II", start="fcn8s", share=0.5),
    Variant("parts_report_3", "written", "parts_report_3", "phase 3, implementation III", share=0.5),
    Variant("parts_paper", "written", "parts_paper", "InstanceFCN itself"),
)

# The slips of each implementation's code; the first has no dilated layers to lose.
_EVERY_CODE = (
    *("zero_start", "linear_branches", "wrong_negatives", "no_border_windows"),
    *("sparse_inference", "no_mean_subtraction"),
)
_HOLES = ("lost_conv5_1", "one_dilated_layer")


def _committed(number: int, *slips: str) -> Variant:
    return Variant(
        f"report_{number}_committed",
        "committed",
        f"parts_report_{number}",
        f"implementation {'I' * number} with the slips of its code",
        tuple(map(_slip, slips)),
        "fcn8s",
        share=0.4,
    )


COMMITTED = (
    Variant(
        "ordering_committed",
        "committed",
        "ordering_full",
        "sorted by y first, the last two ranks in one map",
        ("method.vertical_first=true", "method.merge_last=true"),
        start="fcn8s",
        share=0.4,
    ),
    _committed(1, *_EVERY_CODE),
    _committed(2, *_EVERY_CODE, *_HOLES),
    Variant(
        "report_3_committed",
        "committed",
        "parts_report_committed",
        "implementation III with every slip, and Adam at 1e-8",
        share=0.4,
    ),
)


# Part maps as the report's are, at the strides of the pyramid: without what corrects their outlines afterwards, what
# looks further than VGG16, and a running mean of the weights.
_PLAIN = ("method.semantic_stride_px=4", "method.refine_masks=false", "method.context=[]", "training.ema=0")


def _putback(name: str, about: str, *overrides: str, start: str = "", share: float = 1.0) -> Variant:
    slipped = any(text.startswith("method.slips.") for text in overrides)
    recipe = "parts_vgg_slips" if slipped else "parts_vgg"
    return Variant(name, "putback", recipe, about, (*_PLAIN, *overrides), start, share)


_ADAM = ("optim.name=adam", "optim.schedule=constant", "optim.warmup_steps=0", "optim.backbone_lr_factor=1")
PUTBACK = (
    _putback("working", "part maps at the strides of a pyramid, windows that scale"),
    _putback("working_again", "the same with another seed: how far chance alone goes", "training.seed=1"),
    _putback("fixed_window", "one window of 21 cells at stride 8, as in the paper", "method.windows=[[8,21]]"),
    _putback("nearest", "parts copied instead of blended", "method.assembling=nearest"),
    _putback("from_fcn8s", "from FCN-8s instead of ImageNet weights", start="fcn8s"),
    _putback("rate_1e-6", "Adam at 1e-6", *_ADAM, "optim.lr=1e-6", share=0.5),
    _putback("rate_1e-8", "Adam at 1e-8", *_ADAM, "optim.lr=1e-8", share=0.5),
    _putback("zero_start", "every new layer starts at weight 0 and bias .1", _slip("zero_start")),
    _putback("all_ones", "every window's objectness is 1", _slip("objectness_all_ones")),
    _putback("lost_conv5_1", "conv5_1 starts at 0", _slip("lost_conv5_1")),
    _putback("no_mean", "the backbone sees images without their mean subtracted", _slip("no_mean_subtraction")),
    _putback("no_border", "no window for objects near the border", _slip("no_border_windows")),
)


def _remedy(name: str, about: str, *overrides: str) -> Variant:
    return Variant(name, "corrected", "parts_report_committed", about, overrides, share=0.5)


def _without(*slips: str) -> tuple[str, ...]:
    return tuple(_slip(slip, back=False) for slip in slips)


CORRECTED = (
    _remedy("correct_rate", "a rate that moves the weights", *MOVING),
    _remedy(
        "correct_start", "new layers start at random, with a ReLU between", *_without("zero_start", "linear_branches")
    ),
    _remedy("correct_objectness", "negative windows have objectness 0", *_without("objectness_all_ones")),
    _remedy("correct_backbone", "conv5_1 keeps its weights, conv5_1 to conv5_3 are dilated", *_without(*_HOLES)),
    _remedy(
        "correct_windows", "right negatives, windows at the border", *_without("wrong_negatives", "no_border_windows")
    ),
    _remedy("correct_mean", "the mean is subtracted", *_without("no_mean_subtraction")),
    Variant("all_corrected", "corrected", "parts_report_3", "implementation III without a slip, at that rate", MOVING),
)


def _guess(name: str, about: str, *overrides: str, start: str = "") -> Variant:
    return Variant(name, "guesses", "parts_report_3", about, (*MOVING, *overrides), start)


GUESSES = (
    _guess("objectness_centre", "objectness: one logit at the centre, as in the paper", "method.objectness=centre"),
    _guess("objectness_mean", "objectness: the mean of the window, absolute difference", "method.objectness=mean_l1"),
    _guess("objectness_four", "objectness: the four central pixels", "method.objectness=central4"),
    _guess("unbalanced", "mask loss not balanced by object and background", "method.mask_loss=plain"),
    _guess("skips", "skips instead of holes", "method.features=skips"),
    _guess("paper_truth", "the paper's windows instead of the report's", "method.windows=paper"),
    _guess("corrected_from_fcn8s", "from FCN-8s instead of ImageNet weights", start="fcn8s"),
)


def _order(name: str, recipe: str, about: str) -> Variant:
    return Variant(f"order_{name}", "orders", recipe, about, start="fcn8s", share=0.5)


ORDERS = (
    _order("coordinates", "ordering_coordinates", "ranks; the layers that make them see y and x"),
    _order("locations", "ordering_locations", "the cell of the centre instead of its rank"),
    _order("hungarian", "ordering_hungarian", "30 maps in the assignment that fits best"),
    _order("colouring", "ordering_colouring", "8 colours, shared by instances far from each other"),
    _order("relative", "centres_vgg", "each pixel's offset to its own instance's centre"),
)

VARIANTS = (*WRITTEN, *PUTBACK, *COMMITTED, *CORRECTED, *GUESSES, *ORDERS)


def choose(
    names: Iterable[str] = (), variants: Sequence[Variant] = VARIANTS, given: Iterable[str] = ()
) -> list[Variant]:
    """The variants whose name or group is among `names` (patterns such as "fcn*" too), with those that they start from.

    All of them without names. `given` are at hand already: neither they nor what they start from is added.
    Raises PartwiseError for a name that fits none.
    """
    names, by_name = list(names), {variant.name: variant for variant in variants}
    before = {name for name in given for name in _lineage(by_name, name)}
    wanted = set() if names else set(by_name) - before
    for name in names:
        fitting = {v.name for v in variants if v.group == name or fnmatchcase(v.name, name)}
        if not fitting:
            raise unknown_name("variant or group", name, [*by_name, *GROUPS])
        wanted |= fitting
    for name in list(wanted):
        wanted |= set(_lineage(by_name, name)) - before
    return [variant for variant in variants if variant.name in wanted]


def _lineage(by_name: Mapping[str, Variant], name: str) -> Iterator[str]:
    """A variant and all that it comes from."""
    while name:
        yield name
        name = by_name[name].start
