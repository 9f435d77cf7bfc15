"""Model files (safetensors: weights, configuration, classes, origin) and training state, both written atomically."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from partwise.errors import PartwiseError
from partwise.files import atomic_write, expanded
from partwise.labels import LABEL_SETS, LabelSet
from partwise.methods import Method, build_method
from partwise.training.config import method_from_dict, method_to_dict
from partwise.training.migration import migrated_tensors

__all__ = [
    "FORMAT",
    "LoadReport",
    "ModelInfo",
    "average_models",
    "load_matching",
    "load_model",
    "load_state",
    "read_model",
    "save_model",
    "save_state",
]

FORMAT = "partwise-1"


@dataclass(frozen=True)
class ModelInfo:
    """What a model file says of itself.

    method     configuration, with the method's name under "kind"
    label_set  its classes
    origin     recipe, data, weights it started from, steps, terms
    """

    method: dict
    label_set: LabelSet
    origin: dict


def save_model(path: str | os.PathLike, method: Method, origin: dict, *, half: bool = False) -> None:
    """Write weights, configuration, classes and origin as one safetensors file.

    half   store floats as fp16, half the size; loading gives fp32 again
    Raises PartwiseError when the disk is full or the folder cannot be written; the old file then stays as it was.
    """
    info = {"method": method_to_dict(method.config), "label_set": method.label_set.to_dict(), "origin": origin}
    state = {}
    for name, value in method.state_dict().items():
        value = value.detach().cpu().contiguous()
        state[name] = value.half() if half and value.is_floating_point() else value
    data = save(state, metadata={"format": FORMAT, "partwise": json.dumps(info)})
    with atomic_write(path) as file:
        file.write(data)


def read_model(path: str | os.PathLike) -> tuple[dict[str, Tensor], ModelInfo]:
    """(weights as float32, info) of a model file. Raises PartwiseError for anything that is none."""
    path = expanded(path)
    if not path.is_file():
        raise PartwiseError(
            f"{path}: no such model file: give a .safetensors file that partwise wrote, or a run folder"
        )
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            state = migrated_tensors({name: file.get_tensor(name) for name in file.keys()})  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise PartwiseError(f"{path}: not a model file, or damaged ({error}): train or copy it again") from None
    if metadata.get("format") != FORMAT:
        found = metadata.get("format", "none")
        raise PartwiseError(
            f"{path}: model format {found!r}, this version reads {FORMAT!r}: use a model that partwise wrote"
        )
    try:
        described = json.loads(metadata["partwise"])
        labels = described.pop("label_set")
        if not (isinstance(described["method"], dict) and isinstance(described["origin"], dict)):
            raise TypeError("method and origin")
        if isinstance(labels, str) and labels not in LABEL_SETS:
            raise PartwiseError(f"{path}: label set {labels!r} is unknown: this version knows {', '.join(LABEL_SETS)}")
        known = LABEL_SETS[labels] if isinstance(labels, str) else LabelSet.from_dict(labels, str(path))
        info = ModelInfo(**described, label_set=known)
    except (KeyError, ValueError, TypeError) as error:
        raise PartwiseError(f"{path}: its description cannot be read ({error!r}): the file is damaged") from None
    return {name: value.float() if value.is_floating_point() else value for name, value in state.items()}, info


def load_model(path: str | os.PathLike, *, decode: dict | None = None) -> tuple[Method, ModelInfo]:
    """The network of a model file, in evaluation mode, and what the file says of itself; never touches the network.

    decode  fields of the method's DecodeConfig to replace
    """
    state, info = read_model(path)
    config = method_from_dict(info.method, str(path))
    if decode:
        config = method_from_dict(info.method | {"decode": info.method.get("decode", {}) | decode})
    method = build_method(config, info.label_set)
    report = load_matching(method, state)
    if report.missing or report.unexpected:
        first = (report.missing + report.unexpected)[0]
        raise PartwiseError(
            f"{path}: {len(report.missing)} tensors are missing and {len(report.unexpected)} do not fit, "
            f"such as {first}: the file was written by another version"
        )
    method.eval()
    return method, info


def average_models(paths: Sequence[str | os.PathLike], *, decode: dict | None = None) -> tuple[Method, ModelInfo]:
    """The mean of the weights of one or more models of the same network, described as the last one.

    For runs that went on from each other it costs nothing and is often better than each ("Model soups", Wortsman et
    al., 2022). `origin` then has "averaged": how many. Raises PartwiseError where the networks differ.

    decode  fields of the method's DecodeConfig to replace
    """
    method, info = load_model(paths[-1], decode=decode)
    if len(paths) == 1:
        return method, info
    states = []
    for path in paths:
        state, other = read_model(path)
        if _network(other, path) != _network(info, paths[-1]):
            raise PartwiseError(f"{path}: another network than that of {paths[-1]}: average models of one network")
        states.append(state)
    mean = {
        name: torch.stack([state[name] for state in states]).mean(dim=0) if value.is_floating_point() else value
        for name, value in states[-1].items()
    }
    method.load_state_dict(mean)
    return method, ModelInfo(info.method, info.label_set, info.origin | {"averaged": len(paths)})


# What a method's configuration says of its training alone: networks that differ in it compute the same.
_OF_TRAINING = re.compile("frozen_blocks|max_.*_windows|.*_weight|.*_balance")


def _network(info: ModelInfo, path: str | os.PathLike) -> dict:
    """A model's configuration with today's defaults for fields that its file does not know, without its decoder and
    what is of its training alone.
    """
    described = method_to_dict(method_from_dict(info.method, str(path)))
    return {key: value for key, value in described.items() if key != "decode" and not _OF_TRAINING.fullmatch(key)}


@dataclass(frozen=True)
class LoadReport:
    """Names of tensors: `loaded`, `missing` (the network's, not in the file), `unexpected` (the file's, or misfits)."""

    loaded: list[str]
    missing: list[str]
    unexpected: list[str]


def load_matching(module: nn.Module, state: dict[str, Tensor]) -> LoadReport:
    """Copy every tensor whose name and shape agree."""
    own = module.state_dict()
    fits = {name: value for name, value in state.items() if name in own and own[name].shape == value.shape}
    module.load_state_dict(fits, strict=False)
    missing = [name for name in own if name not in fits]
    return LoadReport(sorted(fits), missing, [name for name in state if name not in fits])


def save_state(path: str | os.PathLike, state: dict) -> None:
    """Write training state (tensors and plain values) atomically. Raises PartwiseError when the disk is full."""
    with atomic_write(path, overwrite=True) as file:  # RunFolder.check has seen whose it is
        try:
            torch.save(state, file)
        except RuntimeError as error:  # torch hides that the disk is full behind an error of its own
            if isinstance(error.__context__, OSError):
                raise error.__context__ from None
            raise


def load_state(path: str | os.PathLike) -> dict:
    """Training state, read without executing code from the file (weights_only)."""
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        return state | {part: migrated_tensors(state[part]) for part in ("model", "ema") if part in state}
    except FileNotFoundError:
        raise PartwiseError(f"{path}: no training state: there is nothing to resume; leave --resume out") from None
    except Exception as error:
        raise PartwiseError(
            f"{path}: not a training state, or damaged ({type(error).__name__}): start again without --resume"
        ) from None
