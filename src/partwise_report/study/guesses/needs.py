"""What a variant needs before it can be trained: stored features with the layers that it reads, and its start."""

from __future__ import annotations

import functools

import torch

from partwise.methods import build_method
from partwise.recipes import recipe as find_recipe
from partwise.training.config import leaves, override, recipe_to_dict
from partwise_report.features import CHANGES, FeatureStore, FrozenVgg, GivenMaps
from partwise_report.study.guesses.heads import on_given_maps
from partwise_report.study.guesses.tasks import Study
from partwise_report.study.guesses.variant import STORES, Variant, frames_of


def missing_of(variant: Variant, study: Study) -> str:
    """What a variant lacks to be trained, in words; "" if nothing.

    Raises:
        PartwiseError: If its stored features are there and cannot be read.
    """
    if variant.start == "fcn8s" and not study.fcn8s:
        return "a trained FCN-8s (--fcn8s)"
    hashes, parts = set(), []
    for part in ("train", "val"):
        folder = study.store(variant.store, part)
        if not (folder / "features.json").exists():
            return f"stored features {folder} ({cache_command(variant.store, part, study)})"
        store = FeatureStore.open(folder, complete=False)
        if store.done < len(store.description.frames):
            return f"stored features: {folder} holds {store.done} of {len(store.description.frames)} frames so far"
        if lost := [layer for layer in needed_layers(variant) if not store.holds(layer)]:
            return f"layer {lost[0]} in {folder}"
        if other := _unfit(variant, study, store):
            return f"features {other} in {folder} ({cache_command(variant.store, part, study)})"
        hashes.add((store.description.weights_hash, frozenset(store.description.layers)))
        named = ", ".join(sorted(store.description.layers))
        parts.append(f"{part} has {named} of weights {store.description.weights_hash[:8]}")
    if len(hashes) > 1:
        folder = study.store(variant.store, "train").parent
        return f"features of the same layers and weights in both parts of {folder} ({'; '.join(parts)})"
    return ""


def cache_command(store: str, part: str, study: Study) -> str:
    """The command that makes a store of the plan.

    Args:
        store: A key of STORES.
        part: "train" or "val".
        study: Its data, splits and weights.
    """
    options = STORES[store].replace("PLAIN", str(study.store("plain", part))).replace("FCN8S", study.fcn8s or "FCN8S")
    split = study.split if part == "train" else study.val_split
    weights = "" if "--weights" in options or study.weights == "torchvision" else f" --weights {study.weights}"
    return (
        f"partwise study cache --data {study.data} --split {split} --frames {frames_of(store)} {options}{weights} "
        f"--out {study.store(store, part)}"
    )


def _unfit(variant: Variant, study: Study, store: FeatureStore) -> str:
    """What features a variant needs in place of those that are stored, in words; "" if these are right."""
    described, slips = store.description, _slips_of(variant)
    if described.mean_subtracted == ("no_mean_subtraction" in slips):
        return "of images with their mean" + ("" if described.mean_subtracted else " subtracted")
    wanted = () if variant.conv5_learns else tuple(sorted(slips & CHANGES.keys()))
    if described.changes != wanted:
        return f"with the slip {wanted[0]}" if wanted else "without slips"
    given = study.fcn8s if variant.start == "fcn8s" else study.weights if variant.conv5_learns else ""
    if given not in ("", "random") and described.weights_hash != _hash_of(given, tuple(described.layers)):
        return f"of the weights of {given}"
    return ""


@functools.cache
def _hash_of(weights: str, layers: tuple[str, ...]) -> str:
    return FrozenVgg(weights).hash(layers)


@functools.cache
def _slips_of(variant: Variant) -> frozenset[str]:
    """Names of the slips that are put back in a variant."""
    fields = leaves(recipe_to_dict(override(find_recipe(variant.recipe), method_fields(variant))))
    return frozenset(name.removeprefix("method.slips.") for name, on in fields.items() if ".slips." in name and on)


def method_fields(variant: Variant) -> list[str]:
    """The overrides of a variant that change its network."""
    return [text for text in variant.overrides if text.startswith("method.")]


@functools.cache
def needed_layers(variant: Variant) -> list[str]:
    """Names of the stored layers that a variant reads."""
    with torch.device("meta"):  # no memory, no numbers: only which maps it reads
        method = build_method(override(find_recipe(variant.recipe), method_fields(variant)).method)
        on_given_maps(method, conv5_learns=variant.conv5_learns)
    assert isinstance(method.backbone, GivenMaps)
    return list(method.backbone.layers.values())
