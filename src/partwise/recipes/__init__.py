"""Recipes of all experiments by name. A recipe is a function that returns a whole configuration."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from partwise.plugins import Plugins
from partwise.recipes.any_photo import parts_fast, parts_free
from partwise.recipes.baselines import mask_rcnn_light
from partwise.recipes.finetune import finetune, finetune_mask_rcnn
from partwise.recipes.ours import centres_light, centres_vgg, demo, fcn8s, fcn16s, fcn32s, parts_light, parts_vgg
from partwise.training.config import Recipe
from streeteval.errors import unknown_name

__all__ = ["PIPELINES", "RECIPES", "parts_light", "parts_vgg", "recipe"]

RECIPES: Mapping[str, Callable[[], Recipe]] = Plugins(
    "partwise.recipes",
    {
        "fcn32s": fcn32s,
        "fcn16s": fcn16s,
        "fcn8s": fcn8s,
        "parts_vgg": parts_vgg,
        "parts_light": parts_light,
        "centres_light": centres_light,
        "centres_vgg": centres_vgg,
        "parts_fast": parts_fast,
        "parts_free": parts_free,
        "demo": demo,
        "mask_rcnn_light": mask_rcnn_light,
        "finetune": finetune,
        "finetune_mask_rcnn": finetune_mask_rcnn,
    },
    "recipe",
)

# A pipeline trains several recipes one after the other. Each stage starts from the weights of the stage before it and
# gets its share of the time.
PIPELINES: Mapping[str, Mapping[str, float]] = Plugins(
    "partwise.pipelines", {"fcn": {"fcn32s": 0.4, "fcn16s": 0.2, "fcn8s": 0.4}}, "pipeline"
)


def recipe(name: str) -> Recipe:
    """Build the recipe with this name.

    Raises:
        PartwiseError: If there is none; the error names the nearest known names.
    """
    if name not in RECIPES:
        raise unknown_name("recipe", name, [*RECIPES, *PIPELINES])
    return RECIPES[name]()
