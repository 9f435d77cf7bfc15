"""What the study of the report's guesses calls a variant: one network, how it is trained, and the features it reads."""

from __future__ import annotations

from dataclasses import dataclass

CROP, WHOLE = (256, 512), (0, 0)  # (H, W) in pixels
GROUPS = {
    "heads": "Implementation III as the text has it, and what each guess about objectness, loss and skips blames",
    "rates": "the same at the report's learning rates",
    "slips": "the same with one slip of the published code put back",
    "corrections": "Implementation III as committed, at a rate that moves the weights, with one thing corrected",
    "chain": "from Implementation III as committed to the working method, in single steps",
    "patience": "Implementation III at the report's rate and at ten times as much, with more steps",
    "truth": "the report's windows and the paper's",
    "start": "from FCN-8s instead of ImageNet weights",
    "sizes": "the middle of frames, enlarged",
    "orders": "from ranks to offsets",
    "conv5": "what a lost conv5_1 does where conv5 is learnt",
    "short": "the short form for rendered streets: a few variants of the other groups",
}


@dataclass(frozen=True)
class Variant:
    """One network and how it is trained.

    Attributes:
        name: Of the variant.
        group: A key of GROUPS.
        recipe: That it changes.
        about: What it is, or how it differs from the base of its group.
        overrides: Fields of the recipe, "field=value".
        steps: Of its training.
        crop: (H, W) in pixels that a step sees; (0, 0) for the whole frame.
        store: Name of the stored features, see STORES.
        start: "fcn8s" to start from the trained FCN-8s.
        conv5_learns: conv5 is learnt from a stored conv4_3.
    """

    name: str
    group: str
    recipe: str
    about: str
    overrides: tuple[str, ...] = ()
    steps: int = 1000
    crop: tuple[int, int] = CROP
    store: str = "plain"
    start: str = ""
    conv5_learns: bool = False


# Name of a store -> the options of `partwise study cache` that make it, beside data, split, frames, weights and out.
STORES = {
    "plain": "--layer conv3_3 --layer conv4_3 --layer conv5_3 --layer conv5_3_holes",
    "no_mean": "--layer conv5_3_holes --keep-mean",
    "one_dilated": "--layer conv5_3_holes --slip one_dilated_layer --base PLAIN",
    "committed": "--layer conv5_3_holes --keep-mean --slip one_dilated_layer",
    "fcn8s": "--layer pool3 --layer pool4 --layer pool5 --layer conv5_3_holes --weights FCN8S",
    "middle_1": "--layer conv5_3_holes --view 512x256",
    "middle_2": "--layer conv5_3_holes --view 512x256 --enlarge 2",
    "middle_4": "--layer conv5_3_holes --view 512x256 --enlarge 4",
}


def enlarged_by(store: str) -> int:
    """How many times as long each side of a frame is for the backbone.

    >>> enlarged_by("middle_2"), enlarged_by("plain")
    (2, 1)
    """
    return int(store.removeprefix("middle_")) if store.startswith("middle_") else 1


def frames_of(store: str) -> int:
    """Frames of each split that a store of the plan holds."""
    return 80 if store.startswith("middle_") else 200
