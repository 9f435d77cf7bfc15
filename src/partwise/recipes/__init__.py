"""Every experiment by name: a recipe is a function that returns a whole configuration."""

from __future__ import annotations

from collections.abc import Callable

from partwise.errors import unknown_name
from partwise.recipes.baselines import mask_rcnn_light
from partwise.recipes.orders import (
    ordering_colouring,
    ordering_coordinates,
    ordering_hungarian,
    ordering_locations,
)
from partwise.recipes.ours import centres_light, centres_vgg, demo, fcn8s, fcn16s, fcn32s, parts_light, parts_vgg
from partwise.recipes.report import (
    ordering_full,
    ordering_slice,
    parts_paper,
    parts_report_1,
    parts_report_2,
    parts_report_3,
    parts_report_committed,
)
from partwise.training.config import Recipe

RECIPES: dict[str, Callable[[], Recipe]] = {
    make.__name__: make
    for make in (
        *(fcn32s, fcn16s, fcn8s, parts_vgg, parts_light, centres_light, centres_vgg, demo),
        mask_rcnn_light,
        *(ordering_slice, ordering_full),
        *(ordering_coordinates, ordering_locations, ordering_hungarian, ordering_colouring),
        *(parts_report_1, parts_report_2, parts_report_3, parts_report_committed, parts_paper),
    )
}

# A pipeline runs its stages one after the other, each from the weights of the last, and shares the time among them.
PIPELINES: dict[str, dict[str, float]] = {"fcn": {"fcn32s": 0.4, "fcn16s": 0.2, "fcn8s": 0.4}}


def recipe(name: str) -> Recipe:
    """The recipe of this name. Raises PartwiseError with the nearest known name."""
    if name not in RECIPES:
        raise unknown_name("recipe", name, [*RECIPES, *PIPELINES])
    return RECIPES[name]()
