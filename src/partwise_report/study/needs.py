"""What a variant needs before it can be trained: stored features with the layers that it reads, and its start."""

from __future__ import annotations

import functools

import torch

from partwise.methods import build_method
from partwise.recipes import recipe as find_recipe
from partwise.training.config import override
from partwise_report.features import FeatureStore, GivenMaps
from partwise_report.study.conduct import Study
from partwise_report.study.heads import on_given_maps
from partwise_report.study.plan import STORES, Variant


def missing_of(variant: Variant, study: Study) -> str:
    """What a variant lacks to be trained, in words; "" if nothing.

    Raises:
        PartwiseError: If its stored features are there and cannot be used.
    """
    if variant.start == "fcn8s" and not study.fcn8s:
        return "a trained FCN-8s (--fcn8s)"
    for part in ("train", "val"):
        folder = study.store(variant.store, part)
        if not (folder / "features.json").exists():
            return f"stored features {folder} (partwise study cache {STORES[variant.store]} --out {folder})"
        store = FeatureStore.open(folder, complete=False)
        if store.done < len(store.description.frames):
            return f"stored features: {folder} holds {store.done} of {len(store.description.frames)} frames so far"
        if lost := [layer for layer in needed_layers(variant) if not store.holds(layer)]:
            return f"layer {lost[0]} in {folder}"
    return ""


@functools.cache
def needed_layers(variant: Variant) -> list[str]:
    """Names of the stored layers that a variant reads."""
    kept = [text for text in variant.overrides if text.startswith("method.")]
    with torch.device("meta"):  # no memory, no numbers: only which maps it reads
        method = build_method(override(find_recipe(variant.recipe), kept).method)
        on_given_maps(method, conv5_learns=variant.conv5_learns)
    assert isinstance(method.backbone, GivenMaps)
    return list(method.backbone.layers.values())
