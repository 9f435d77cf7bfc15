"""Model files (safetensors with weights, configuration, classes and origin) and training state, written atomically."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from partwise.errors import PartwiseError
from partwise.files import atomic_write
from partwise.methods import Method, build_method
from partwise.model_info import ModelInfo, joined_terms, require_torch_model, told_apart
from partwise.training.config import method_from_dict, method_to_dict
from partwise.training.migration import migrated_tensors
from streeteval.files import expanded
from streeteval.labels import LABEL_SETS, LabelSet

__all__ = [
    "FORMAT",
    "LoadReport",
    "ModelInfo",
    "average_models",
    "load_matching",
    "load_model",
    "load_state",
    "read_info",
    "read_model",
    "save_model",
    "save_state",
]

FORMAT = "partwise-1"


def save_model(path: str | os.PathLike, method: Method, origin: dict, *, half: bool = False) -> None:
    """Write weights, configuration, classes and origin as one safetensors file.

    Args:
        path: The file. It is replaced only when the new one is complete.
        method: The network.
        origin: See `ModelInfo`.
        half: Whether to store floats as fp16, which halves the size; loading turns them into fp32 again.

    Raises:
        PartwiseError: If the disk is full or the folder cannot be written; an old file then stays as it was.
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
    """Read a model file.

    Args:
        path: The file.

    Returns:
        The tensors by name (floats as float32), and the description.

    Raises:
        PartwiseError: If the file is missing, damaged, or not a model file of this format.
    """
    info = read_info(path)
    path = expanded(path)
    with _opened(path) as file:
        state = migrated_tensors({name: file.get_tensor(name) for name in file.keys()})  # noqa: SIM118
    return {name: value.float() if value.is_floating_point() else value for name, value in state.items()}, info


def read_info(path: str | os.PathLike) -> ModelInfo:
    """Read the description of a model file, without its tensors.

    Args:
        path: The file.

    Raises:
        PartwiseError: If the file is missing, damaged, or not a model file of this format.
    """
    path = expanded(path)
    if not path.is_file():
        raise PartwiseError(
            f"{path}: no such model file: give a .safetensors file that partwise wrote, or a run folder"
        )
    require_torch_model(path, "cannot be loaded as a network of PyTorch")
    with _opened(path) as file:
        metadata = file.metadata() or {}
    if metadata.get("format") != FORMAT:
        found = metadata.get("format", "none")
        raise PartwiseError(
            f"{path}: model format {found!r}, this version reads {FORMAT!r}: use a model that partwise wrote"
        )
    return _described(path, metadata)


def _described(path: Path, metadata: Mapping[str, str]) -> ModelInfo:
    try:
        described = json.loads(metadata["partwise"])
        labels = described.pop("label_set")
        if not (isinstance(described["method"], dict) and isinstance(described["origin"], dict)):
            raise TypeError("method and origin")
        if isinstance(labels, str) and labels not in LABEL_SETS:
            raise PartwiseError(f"{path}: label set {labels!r} is unknown: this version knows {', '.join(LABEL_SETS)}")
        known = LABEL_SETS[labels] if isinstance(labels, str) else LabelSet.from_dict(labels, str(path))
        return ModelInfo(**described, label_set=known)
    except (KeyError, ValueError, TypeError) as error:
        raise PartwiseError(f"{path}: its description cannot be read ({error!r}): the file is damaged") from None


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """A safetensors file, open. Raises PartwiseError if it is damaged."""
    try:
        with safe_open(path, framework="pt") as file:
            yield file
    except (SafetensorError, OSError) as error:
        raise PartwiseError(f"{path}: not a model file, or a damaged one ({error}): train or copy it again") from None


def load_model(path: str | os.PathLike, *, decode: dict | None = None) -> tuple[Method, ModelInfo]:
    """Load the network of a model file, in evaluation mode. Nothing is downloaded.

    Args:
        path: The file.
        decode: Fields of the method's decoder settings (`decode`) to replace, by name.

    Returns:
        The network and the description in the file.

    Raises:
        PartwiseError: If the file cannot be read, or its tensors do not fit the network that it describes.
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
            f"such as {first}: the file was probably written by another version of partwise"
        )
    method.eval()
    return method, info


def average_models(paths: Sequence[str | os.PathLike], *, decode: dict | None = None) -> tuple[Method, ModelInfo]:
    """Average the weights of one or more models of the same network ("Model soups", Wortsman et al. 2022).

    If each run continued from the one before, the mean is often better than each model, at no cost.

    Args:
        paths: The model files; the result has the description of the last one, and the terms of use of all.
        decode: Fields of the method's decoder settings (`decode`) to replace, by name.

    Returns:
        The network, and the description; if there are several models, `origin` has their number under "averaged", and
        recipe, seed and steps of each under "mean_of".

    Raises:
        PartwiseError: If a file cannot be read, or the networks or their classes differ.
    """
    method, info = load_model(paths[-1], decode=decode)
    if len(paths) == 1:
        return method, info
    states, origins, terms = [], [], []
    for path in paths:
        state, other = read_model(path)
        if _network(other, path) != _network(info, paths[-1]):
            raise PartwiseError(f"{path}: its network differs from that of {paths[-1]}: give models of one network")
        if not other.label_set.same_classes(info.label_set):
            own, others = told_apart(other.label_set, info.label_set)
            raise PartwiseError(
                f"{path}: its classes ({own}) are not those of {paths[-1]} ({others}): give models of the same classes"
            )
        states.append(state)
        terms.append(other.terms)
        origins.append({name: other.origin[name] for name in ("recipe", "seed", "steps") if name in other.origin})
    mean = {
        name: torch.stack([state[name] for state in states]).mean(dim=0) if value.is_floating_point() else value
        for name, value in states[-1].items()
    }
    method.load_state_dict(mean)
    told: dict[str, Any] = {"averaged": len(paths)} | ({"mean_of": origins} if any(origins) else {})
    if joined := joined_terms(terms):
        told["terms"] = joined
    return method, ModelInfo(info.method, info.label_set, info.origin | told)


# Fields of a method's configuration that matter only in training: networks that differ only in them compute the same.
_OF_TRAINING = re.compile("frozen_blocks|max_.*_windows|.*_weight|.*_balance")


def _network(info: ModelInfo, path: str | os.PathLike) -> dict:
    """Return the part of a model's configuration that decides what the network computes.

    Fields that the file does not have get today's defaults; the decoder and fields that matter only in training are
    left out.
    """
    described = method_to_dict(method_from_dict(info.method, str(path)))
    return {key: value for key, value in described.items() if key != "decode" and not _OF_TRAINING.fullmatch(key)}


@dataclass(frozen=True)
class LoadReport:
    """The result of `load_matching`: names of tensors.

    Attributes:
        loaded: Tensors that were copied.
        missing: Tensors of the network that the file does not have, or has in another shape.
        unexpected: Tensors of the file that the network does not have, or has in another shape.
    """

    loaded: list[str]
    missing: list[str]
    unexpected: list[str]


def load_matching(module: nn.Module, state: dict[str, Tensor]) -> LoadReport:
    """Copy every tensor whose name and shape are those of a tensor of the module.

    Args:
        module: The network; other tensors stay as they are.
        state: Tensors by name.
    """
    own = module.state_dict()
    fits = {name: value for name, value in state.items() if name in own and own[name].shape == value.shape}
    module.load_state_dict(fits, strict=False)
    missing = [name for name in own if name not in fits]
    return LoadReport(sorted(fits), missing, [name for name in state if name not in fits])


def save_state(path: str | os.PathLike, state: dict) -> None:
    """Write training state (tensors and plain values) atomically.

    Raises:
        PartwiseError: If the disk is full or the folder cannot be written.
    """
    with atomic_write(path, overwrite=True) as file:  # RunFolder.check has checked that it is a file of a run
        try:
            torch.save(state, file)
        except RuntimeError as error:  # torch raises an error of its own when the disk is full
            if isinstance(error.__context__, OSError):
                raise error.__context__ from None
            raise


def load_state(path: str | os.PathLike) -> dict:
    """Read training state. No code in the file is executed (weights_only).

    Raises:
        PartwiseError: If the file is missing, damaged, or not a training state.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        return state | {part: migrated_tensors(state[part]) for part in ("model", "ema") if part in state}
    except FileNotFoundError:
        raise PartwiseError(f"{path}: no training state: there is nothing to resume: leave --resume out") from None
    except Exception as error:
        raise PartwiseError(
            f"{path}: not a training state, or a damaged one ({type(error).__name__}): start again without --resume"
        ) from None
