"""Load a model that is ready to use, in torch or from an exported file."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from partwise.class_map import ClassMap, ClassNames, named_classes
from partwise.device import find_device
from partwise.errors import PartwiseError, PartwiseWarning
from partwise.methods.options import InferenceOptions
from partwise.model_files import find_model
from partwise.model_info import is_exported
from partwise.ready_model import SHOWN_SCORE, Segmenter
from partwise.result import Result
from partwise.runtime.exported_parts import ExportedParts
from partwise.runtime.opened import open_exported
from streeteval.errors import warn_of
from streeteval.given import shown
from streeteval.labels import LabelSet

__all__ = [
    "SHOWN_SCORE",
    "Result",
    "Segmenter",
    "load",
]

AUTOMATIC = InferenceOptions(device="auto")


def load(
    model: str | os.PathLike | None = None,
    *,
    options: InferenceOptions = AUTOMATIC,
    device: str | None = None,
    precision: str | None = None,
    decode: Mapping[str, Any] | None = None,
    classes: ClassNames | None = None,
    label_set: LabelSet | None = None,
) -> Segmenter:
    """Load a model that is ready to use. Nothing is downloaded.

    If the precision is "bf16" and the hardware only emulates it, there is a `PartwiseWarning`.

    Args:
        model: The name of an installed model, a .safetensors or .onnx file, the .xml file of an OpenVINO model, or a
            run folder; None for the default model.
        options: Device, precision, scale and flip of every call that does not say otherwise.
        device: Replaces `options.device`: a name of torch, such as "cuda:1", or "auto" for a GPU if there is one. For
            an ONNX file also the name of a provider of ONNX Runtime, for an OpenVINO model a device of OpenVINO.
        precision: Replaces `options.precision`: "no" (fp32), "bf16" (faster on a GPU, or on a processor with AMX), or
            "auto" (bf16 if it is faster on this device).
        decode: Fields of the method's decoder to change, such as {"nms_iou": 0.6}.
        classes: Names predictions by other classes than the model's: class -> classes of the model that stand for it,
            such as {"vehicle": "car,truck"}, see `ClassMap.between`. Instances of other classes are left out.
        label_set: The label set that has these classes; None: they get the ids 1, 2, ...

    Returns:
        The model. Call it with an image.

    Raises:
        PartwiseError: If the model is missing, damaged or of another version, the device is missing, or an option does
            not fit the model.
    """
    options = options.changed(device=device, precision=precision)
    if decode is not None and not isinstance(decode, Mapping):
        raise PartwiseError(f"decode {shown(decode)}: give a dict of fields, such as {{'nms_iou': 0.6}}")
    path = find_model(model)
    if is_exported(path):
        return _load_exported(path, options, decode, classes, label_set)
    return _load_torch(path, options, decode, classes, label_set)


def _load_exported(
    path: Path,
    options: InferenceOptions,
    decode: Mapping[str, Any] | None,
    classes: ClassNames | None,
    label_set: LabelSet | None,
) -> Segmenter:
    """Load an ONNX file or an OpenVINO model, see `load`."""
    if options.precision == "bf16":
        raise PartwiseError(
            "precision bf16: an exported file keeps the precision in which it was written: leave it out"
        )
    file = open_exported(path, options.device)
    own = file.info.label_set
    class_map = _class_map(own, classes, label_set) if classes else None
    # Outside the network the device is the processor.
    return Segmenter(ExportedParts(file, decode, class_map), file.info, options.changed(device="cpu", precision="no"))


def _class_map(own: LabelSet, classes: ClassNames, label_set: LabelSet | None) -> ClassMap:
    """Map a model's classes to other names, and warn of those that are never found."""
    named = named_classes(classes, own) if label_set is None else label_set
    class_map = ClassMap.between(named, own, classes)
    if missing := class_map.never_found:
        remedy = "map a class with instances to each, or ignore them in a label file"
        warn_of("", [f"no class of the model gives {', '.join(missing)}: they are never found, score 0: {remedy}"])
    return class_map


def _load_torch(
    path: Path,
    options: InferenceOptions,
    decode: Mapping[str, Any] | None,
    classes: ClassNames | None,
    label_set: LabelSet | None,
) -> Segmenter:
    """Load a model file for torch, see `load`."""
    import torch

    from partwise.backbones.fold import fold_batch_norm
    from partwise.methods import MappedMethod
    from partwise.training.checkpoint import load_model
    from partwise.training.precision import gains_from_bf16, slow_precision

    options = options.changed(device=find_device(options.device))
    if options.precision == "auto":
        options = options.changed(precision="bf16" if gains_from_bf16(torch.device(options.device)) else "no")
    elif options.precision == "bf16" and (slow := slow_precision(torch.device(options.device))):
        warnings.warn(slow, PartwiseWarning, stacklevel=3)
    method, info = load_model(path, decode=None if decode is None else dict(decode))
    method = fold_batch_norm(method)
    if classes:
        method = MappedMethod(method, _class_map(method.label_set, classes, label_set))
    return Segmenter(method, info, options)
