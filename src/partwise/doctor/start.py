"""Check the weights that a run starts from: does the network have what the file holds?"""

from __future__ import annotations

import torch
from torch import Tensor

from partwise.backbones import VggBackbone, build_backbone
from partwise.backbones.vgg import BLOCK_CHANNELS, POOL
from partwise.doctor.finding import Finding, Severity, judged, shortened
from partwise.errors import PartwiseError
from partwise.methods import Method

CHECK = "pretrained weights"


def pretrained_weights(method: Method, source: str) -> list[Finding]:
    """Find tensors of the backbone that differ from those of `source`, the backbone weights that the recipe names."""
    if source == "random":
        return [Finding(CHECK, Severity.OK, "the recipe asks for random weights", None, None, method.backbone.name)]
    fresh = build_backbone(method.backbone.name)
    fresh.load_pretrained(source)
    own, lost = method.backbone.state_dict(), {}
    for name, value in fresh.state_dict().items():
        if name not in own or own[name].shape != value.shape:
            lost[name] = "not in the network"
        elif not torch.equal(own[name].cpu(), value):
            lost[name] = _state_in_words(own[name])
    return _lost(lost, source, method)


def missing_weights(error: PartwiseError, source: str) -> list[Finding]:
    """Report that the weights that the recipe starts from are not there; what follows is measured on random ones."""
    what = f"weight files that were not found: {error}"
    remedy = "give the file with --weights (docs/doctor.md), or say backbone_weights=random where that is meant"
    return [Finding(CHECK, Severity.FAULT, what, 1, 0, source, remedy)]


def weights_of_model(method: Method, state: dict[str, Tensor], path: str) -> list[Finding]:
    """Find tensors of the backbone that a model file holds and the network did not take over, and layers left at zero.

    Args:
        method: The network after loading.
        state: Tensors of the file by name.
        path: Of the file.
    """
    own, lost = method.state_dict(), {}
    for name, value in state.items():
        if not name.startswith("backbone."):
            continue
        if name not in own or own[name].shape != value.shape:
            lost[name] = "not in the network"
        elif not torch.equal(own[name].cpu(), value):
            lost[name] = _state_in_words(own[name])
    for name, value in own.items():
        if name.startswith("backbone.") and name not in state and value.ndim > 1:
            lost[name] = "not in the file"
    return _lost({name.removeprefix("backbone."): words for name, words in lost.items()}, path, method)


def unwanted_start(asked: str, started: str) -> list[Finding]:
    """Report a run whose recipe names weights, but whose run.json says that it began at random."""
    bad = asked != "random" and started == "random"
    what = f"whether the run began at random although its recipe names {asked!r}"
    remedy = "train again with --weights, or say backbone_weights=random where that is meant"
    return [judged(CHECK, what, int(bad), f"run.json: {started or 'nothing'}", remedy, fault_above=0)]


def lifeless_layers(method: Method) -> list[Finding]:
    """Find layers of the backbone whose weights are a single number, before or after a training."""
    flat = {}
    for name, value in method.backbone.state_dict().items():
        if value.ndim > 1 and float(value.max()) == float(value.min()):
            flat[name] = f"all {float(value.flatten()[0]):g}"
    return _lost(flat, "the backbone", method, "layers of the backbone whose weights are one single number")


def _lost(
    lost: dict[str, str], source: str, method: Method, what: str = "tensors of the backbone that are not as in the file"
) -> list[Finding]:
    """Make the findings of tensors that were lost, by name with what they are now."""
    named = [f"{layer_name(method, name)} ({words})" for name, words in lost.items()]
    remedy = "match the names of file and network one by one, and load with strict names, so that none is passed over"
    where = f"{source}: {shortened(named)}" if lost else source
    return [judged(CHECK, what, len(lost), where, remedy, fault_above=0, details={"tensors": lost})]


def _state_in_words(value: Tensor) -> str:
    """Say whether a tensor is zero, constant or has other values."""
    if value.numel() and float(value.max()) == float(value.min()):
        return f"all {float(value.flatten()[0]):g}"
    return "other numbers"


def layer_name(method: Method, name: str) -> str:
    """Return the name of a backbone's layer as the papers have it.

    "features.24.weight" of VGG16 is "conv5_1.weight"; other backbones keep their names.
    """
    parts = name.split(".")
    if not (isinstance(method.backbone, VggBackbone) and parts[0] == "features" and parts[1].isdecimal()):
        return name
    block = vgg_block(int(parts[1]))
    first = 0 if block == 1 else POOL[block - 1] + 1
    return ".".join([f"conv{block}_{(int(parts[1]) - first) // 2 + 1}", *parts[2:]])


def vgg_block(index: int) -> int:
    """Return which block of VGG16, 1..5, a layer of torchvision's `features` belongs to."""
    return next(block for block in BLOCK_CHANNELS if index <= POOL[block])
