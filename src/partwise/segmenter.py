"""A model ready to use: image in, `Result` out."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from partwise.backbones.fold import fold_batch_norm
from partwise.class_map import ClassMap, ClassNames, named_classes
from partwise.data.given_image import as_image, name_of
from partwise.errors import PartwiseError, PartwiseWarning
from partwise.given import flag, shown
from partwise.instances import Instances
from partwise.labels import CITYSCAPES, LabelSet
from partwise.methods import Explainable, Explanation, MappedMethod, Method
from partwise.methods.asked import require_inside
from partwise.methods.method import image_at, image_batch
from partwise.methods.options import InferenceOptions, Scale, seen_sizes
from partwise.model_files import find_model
from partwise.report.prediction_files import write_prediction
from partwise.scene import Prediction
from partwise.selection import MinScore, require_selection, selected
from partwise.training.checkpoint import ModelInfo, load_model
from partwise.training.precision import gains_from_bf16, slow_precision

__all__ = [
    "PRECISIONS",
    "SHOWN_SCORE",
    "Result",
    "Segmenter",
    "find_device",
    "load",
]

PRECISIONS = ("no", "bf16", "auto")
SHOWN_SCORE = 0.1  # default display threshold: the precision of the default model there is 0.83


@dataclass(frozen=True, eq=False, repr=False)
class Result(Instances):
    """The instances of one image, with the semantic map, the image itself and the model's origin.

    A part of it, such as `result[result.scores > 0.5]` or `result[:3]`, is a Result with all of these.

    semantic_HW   (H, W) uint8 ids of the label set
    image_HW3     (H, W, 3) uint8 RGB, as it was given
    name          of the image, for the files that `save` writes; None where it has none
    origin        what the model file says of itself
    label_set     the classes that `labels` and `semantic_HW` name

    Raises PartwiseError where the semantic map or the image has another size than the instances.
    """

    semantic_HW: np.ndarray | None = None
    image_HW3: np.ndarray | None = None
    name: str | None = None
    origin: dict = field(default_factory=dict)
    label_set: LabelSet = CITYSCAPES  # type: ignore[misc]  # the base class, without this field, has it for all

    def __post_init__(self):
        super().__post_init__()
        for what, array in (("semantic_HW", self.semantic_HW), ("image_HW3", self.image_HW3)):
            if array is not None and np.shape(array)[:2] != self.size:
                raise PartwiseError(f"Result: {what} has the shape {np.shape(array)}, the instances are of {self.size}")

    @property
    def instances(self) -> Instances:
        """The instances alone."""
        return Instances(self.labels, self.scores, self.boxes, self.masks, self.size)

    @property
    def prediction(self) -> Prediction:
        """Instances and semantic map, as the evaluator and the overlays take them."""
        return Prediction(self.instances, self.semantic_HW)

    def save(self, out_dir: str | os.PathLike, *, overwrite: bool = False) -> list[Path]:
        """Write overlay, instanceIds, labelIds and JSON (see report/prediction_files.py); returns the paths.

        Results of the same name are replaced. Those of images without a name are called image, image_2, image_3, ...:
        the first of which there is no file yet.

        Args:
            out_dir: made if missing; `~` at its beginning is the home folder.
            overwrite: replace files of these names that partwise did not write, too.

        Raises:
            PartwiseError: such a file is there, or the folder cannot be written.
        """
        if not isinstance(out_dir, str | os.PathLike) or "\0" in os.fsdecode(out_dir):
            raise PartwiseError(f"out_dir {shown(out_dir)}: give the path of a folder")
        if self.image_HW3 is None:
            raise PartwiseError("this Result has no image to draw on: give image_HW3 when it is made")
        return write_prediction(
            self.name,
            self.image_HW3,
            self.prediction,
            out_dir,
            self.label_set,
            origin=self.origin,
            overwrite=overwrite,
        )

    def resized(self, size: tuple[int, int]) -> Result:
        """The same for an image of another `size` (H, W): instances and semantic map see `Instances.resized`."""
        moved = self.prediction.resized(size)
        of_instances = {name: getattr(moved.instances, name) for name in ("labels", "scores", "boxes", "masks", "size")}
        image_HW3 = self.image_HW3 if self.image_HW3 is None else image_at(self.image_HW3, moved.instances.size)
        return replace(self, **of_instances, semantic_HW=moved.semantic_HW, image_HW3=image_HW3)


class Segmenter:
    """A trained method on a device. Made by `load`.

    precision  "no" (fp32) or "bf16"
    """

    def __init__(self, method: Method, info: ModelInfo, device: str = "cpu", precision: str = "no"):
        self.method = method.to(device).to(memory_format=torch.channels_last).eval()
        self.info, self.device, self.precision = info, device, precision

    def __call__(
        self,
        image: Any,
        *,
        min_score: MinScore = 0.0,
        classes: Sequence[str] = (),
        distinct: bool = False,
        name: str | None = None,
        scale: Scale = None,
        flip: bool = False,
    ) -> Result:
        """Every instance of an image.

        image      a path, a PIL image, an array, a tensor, bytes or an open file: see `as_image`
        min_score  0..1: leave out instances with a lower score; also by class, such as {"car": 0.3, "*": 0.1}, where
                   "*" is for all that are not named
        classes    names of the only classes whose instances are kept; empty for all
        distinct   leave out what a higher-scoring instance of another class overlaps, see `Instances.distinct`
        name       for the files that `Result.save` writes; the stem of the image's file, or none
        scale      the network sees the image so many times as large: less is faster, more finds smaller objects, and
                   of several, such as (1, 1.5), what is found in any; without it as the model says
                   (`method.default_scale`), but no side longer than 2048 px
        flip       the network sees the image's mirror image, too, and what it says of both is averaged: better, in
                   twice the time

        Raises PartwiseError for what is no image, a number out of its limits, and `flip` with a method that cannot
        (methods/method.py, `mirrored`).
        """
        require_selection(self.method.label_set, min_score, classes)
        if name is None:
            name = name_of(image)
        if name is not None and not isinstance(name, str):
            raise PartwiseError(f"name {shown(name)}: give a text")
        pixels = as_image(image)
        with self._autocast():
            prediction = self.method.predict(
                image_batch(pixels, self.device), InferenceOptions(scale, flag("flip", flip))
            )[0]
        kept = selected(prediction.instances, self.method.label_set, min_score, classes)
        kept = kept.distinct() if flag("distinct", distinct) else kept
        return Result(
            kept.labels,
            kept.scores,
            kept.boxes,
            kept.masks,
            kept.size,
            semantic_HW=prediction.semantic_HW,
            image_HW3=pixels,
            name=name,
            origin=self.info.origin,
            label_set=self.method.label_set,
        )

    def explain(self, image: Any, point: tuple[int, int] | None = None, scale: float | None = None) -> Explanation:
        """Why a pixel (x, y) belongs to its instance, or to none.

        Without a pixel: the middle of the instance with the highest score.

        image, scale   as in a call
        returns        everything in pixels of what the network saw, see `seen`

        Raises PartwiseError for a pixel outside the image, an image without instances where no pixel is given, and a
        model that is neither one of part maps nor one of centres.
        """
        if not isinstance(self.method, Explainable):
            name = self.info.method.get("kind")
            raise PartwiseError(
                f"a model of method {name}: only part maps and centres can be explained: "
                "give one of those, such as the bundled model"
            )
        pixels = as_image(image)
        size, seen = pixels.shape[:2], self.seen(pixels, scale)
        require_inside(point, size)
        if point is not None:
            point = int(point[0]) * seen.shape[1] // size[1], int(point[1]) * seen.shape[0] // size[0]
        with self._autocast():
            outputs = self.method.respond(image_batch(seen, self.device))
        return self.method.explain(outputs, seen.shape[:2], point)

    def seen(self, image: Any, scale: float | None = None) -> np.ndarray:
        """(H, W, 3) uint8 RGB: an image at the size at which the network sees it, both as in a call."""
        pixels = as_image(image)
        sizes = seen_sizes(pixels.shape[:2], scale, self.method.default_scale)
        if len(sizes) > 1:
            raise PartwiseError(f"scale {shown(scale)}: give one number here")
        return image_at(pixels, sizes[0])

    def _autocast(self) -> torch.autocast:
        return torch.autocast(torch.device(self.device).type, torch.bfloat16, enabled=self.precision == "bf16")

    def stream(self, images: Iterable[Any], **options: Any) -> Iterator[Result]:
        """`self(image, **options)` for each of several images, such as a list, a generator or an array (N, H, W, 3).

        Raises PartwiseError for a single image.
        """
        single = isinstance(images, str | bytes | os.PathLike | Image.Image) or getattr(images, "ndim", 4) in (2, 3)
        if single or not isinstance(images, Iterable):
            raise PartwiseError(f"stream: {type(images).__name__} is not several images: give a list of images")
        return (self(image, **options) for image in images)


def load(
    model: str | os.PathLike | None = None,
    *,
    device: str = "cpu",
    precision: str = "no",
    decode: Mapping[str, Any] | None = None,
    classes: ClassNames | None = None,
    label_set: LabelSet | None = None,
) -> Segmenter:
    """A model ready to use; never touches the network.

    model      None for the bundled one, its name, a .safetensors file, or a run folder
    device     as torch names it; "auto" takes a GPU where there is one
    precision  "no" (fp32), "bf16" (faster on a GPU, or a processor with AMX), or "auto": bf16 where it is faster here
    decode     fields of the method's DecodeConfig to replace, such as {"nms_iou": 0.6}
    classes    names predictions by other classes than the model's: class -> classes of the model that stand for it,
               such as {"vehicle": "car,truck"}, see `ClassMap.between`; what stands for none is left out
    label_set  that has these classes; without it they get the ids 1, 2, ...

    Warns (PartwiseWarning) where "bf16" is asked for and the hardware only emulates it.
    Raises PartwiseError for a model that is missing, damaged or of another version, and for a device that is not here.
    """
    device = find_device(device)
    if decode is not None and not isinstance(decode, Mapping):
        raise PartwiseError(f"decode {shown(decode)}: give a dict of fields, such as {{'nms_iou': 0.6}}")
    if not isinstance(precision, str) or precision not in PRECISIONS:
        raise PartwiseError(f"precision {precision!r}: give {', '.join(PRECISIONS[:-1])} or {PRECISIONS[-1]}")
    if precision == "auto":
        precision = "bf16" if gains_from_bf16(torch.device(device)) else "no"
    elif precision == "bf16" and (slow := slow_precision(torch.device(device))):
        warnings.warn(slow, PartwiseWarning, stacklevel=2)
    method, info = load_model(find_model(model), decode=None if decode is None else dict(decode))
    method = fold_batch_norm(method)
    if classes:
        own = method.label_set
        named = named_classes(classes, own) if label_set is None else label_set
        method = MappedMethod(method, ClassMap.between(named, own, classes))
    return Segmenter(method, info, device, precision)


def find_device(name: str) -> str:
    """The device of this name; "auto" is a GPU where there is one. Raises PartwiseError for one that is not here."""
    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if name == "auto":
        return "cuda" if gpus else "cpu"
    try:
        device = torch.device(name)
    except (RuntimeError, TypeError):
        raise PartwiseError(f"device {name!r}: give cpu, cuda, cuda:1 or auto") from None
    if device.type == "cuda" and (device.index or 0) >= gpus:
        raise PartwiseError(f"device {name!r}: torch sees {gpus or 'no'} GPU here: give cpu or auto")
    if device.type not in ("cpu", "cuda", "mps") or (device.type == "mps" and not torch.backends.mps.is_available()):
        raise PartwiseError(f"device {name!r} cannot be used here: give cpu, cuda or auto")
    return str(device)
