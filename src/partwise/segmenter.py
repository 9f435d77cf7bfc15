"""A model ready to use: image in, `Result` out."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image

from partwise.backbones.fold import fold_batch_norm
from partwise.class_map import ClassMap, ClassNames, named_classes
from partwise.data.given_image import as_image, name_of
from partwise.errors import PartwiseError, PartwiseWarning
from partwise.given import flag, shown
from partwise.labels import LabelSet
from partwise.methods import Explainable, Explanation, MappedMethod, Method, require_mirrorable
from partwise.methods.asked import require_inside
from partwise.methods.method import image_at, image_batch
from partwise.methods.options import DEFAULT_OPTIONS, InferenceOptions, Scale, seen_sizes
from partwise.model_files import find_model
from partwise.result import Result
from partwise.selection import MinScore, require_selection, selected
from partwise.training.checkpoint import ModelInfo, load_model
from partwise.training.precision import gains_from_bf16, slow_precision

__all__ = [
    "SHOWN_SCORE",
    "Result",
    "Segmenter",
    "find_device",
    "load",
]

SHOWN_SCORE = 0.1  # default display threshold: the precision of the default model there is 0.83


class Segmenter:
    """A trained method on a device. Made by `load`.

    Attributes:
        method: The network with its decoder, on `options.device`.
        info: What the model file says of itself.
        options: How it predicts where a call does not say otherwise; the precision is "no" (fp32) or "bf16".

    Raises:
        PartwiseError: If `options.flip` is set and the method cannot make use of a mirror image.
    """

    def __init__(self, method: Method, info: ModelInfo, options: InferenceOptions = DEFAULT_OPTIONS):
        if options.flip:
            require_mirrorable(method)
        self.method = method.to(options.device).to(memory_format=torch.channels_last).eval()
        self.info, self.options = info, options

    @property
    def device(self) -> str:
        """The device that the network is on, as torch names it."""
        return self.options.device

    @property
    def precision(self) -> str:
        """The precision of the network: "no" (fp32) or "bf16"."""
        return self.options.precision

    def __call__(
        self,
        image: Any,
        *,
        min_score: MinScore = 0.0,
        classes: Sequence[str] = (),
        distinct: bool = False,
        name: str | None = None,
        scale: Scale = None,
        flip: bool | None = None,
    ) -> Result:
        """Find every instance of an image.

        Args:
            image: A path, a PIL image, an array, a tensor, bytes or an open file: see `as_image`.
            min_score: Leave out instances with a lower score, 0..1; also by class, such as {"car": 0.3, "*": 0.1},
                where "*" stands for all classes that are not named.
            classes: Names of the only classes whose instances are kept; empty for all.
            distinct: Leave out an instance that a higher-scoring instance of another class overlaps, see
                `Instances.distinct`.
            name: Name for the files that `Result.save` writes. None: the stem of the image's file, if it has one.
            scale: Factor by which the image is enlarged before the network sees it. A lower one is faster, a higher one
                finds smaller objects. Of several, such as (1, 1.5), the result holds what is found at any of them.
                None: as `options` say, which by default is `method.default_scale`, but no side longer than 2048 px.
            flip: Also show the network the mirror image, and average both outputs: better, in twice the time. None: as
                `options` say.

        Returns:
            The instances with the highest score first, and the semantic map, at the size of the image.

        Raises:
            PartwiseError: If `image` is no image, a number is out of its limits, or `flip` is set and the method cannot
                make use of a mirror image.
        """
        require_selection(self.method.label_set, min_score, classes)
        if name is None:
            name = name_of(image)
        if name is not None and not isinstance(name, str):
            raise PartwiseError(f"name {shown(name)}: give a text")
        options = self.options.changed(scale=scale, flip=flip)
        pixels = as_image(image)
        with options.autocast():
            prediction = self.method.predict(image_batch(pixels, self.device), options)[0]
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
        """Explain why a pixel belongs to its instance, or to none.

        Args:
            image: As in a call.
            point: The pixel (x, y) of the image. None: the middle of the instance with the highest score.
            scale: Factor by which the image is enlarged before the network sees it. None: as `options` say.

        Returns:
            The explanation, in pixels of what the network saw: see `seen`.

        Raises:
            PartwiseError: If the pixel is outside the image, no pixel is given and the image has no instance, several
                scales are given, or the model is neither one of part maps nor one of centres.
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
        with self.options.autocast():
            outputs = self.method.respond(image_batch(seen, self.device), self.options.flip)
        return self.method.explain(outputs, seen.shape[:2], point)

    def seen(self, image: Any, scale: float | None = None) -> np.ndarray:
        """Return an image at the size at which the network sees it.

        Args:
            image: As in a call.
            scale: One factor. None: as `options` say.

        Returns:
            (H, W, 3) uint8 RGB.

        Raises:
            PartwiseError: If several scales are given.
        """
        pixels = as_image(image)
        scales = self.options.changed(scale=scale).scale
        sizes = seen_sizes(pixels.shape[:2], scales, self.method.default_scale)
        if len(sizes) > 1:
            raise PartwiseError(f"scale {shown(scales)}: give one number here")
        return image_at(pixels, sizes[0])

    def stream(self, images: Iterable[Any], **arguments: Any) -> Iterator[Result]:
        """Yield `self(image, **arguments)` for each of several images.

        Args:
            images: Such as a list, a generator or an array (N, H, W, 3).
            arguments: Keyword arguments of a call.

        Raises:
            PartwiseError: If a single image is given.
        """
        single = isinstance(images, str | bytes | os.PathLike | Image.Image) or getattr(images, "ndim", 4) in (2, 3)
        if single or not isinstance(images, Iterable):
            raise PartwiseError(f"stream: {type(images).__name__} is not several images: give a list of images")
        return (self(image, **arguments) for image in images)


def load(
    model: str | os.PathLike | None = None,
    *,
    options: InferenceOptions = DEFAULT_OPTIONS,
    device: str | None = None,
    precision: str | None = None,
    decode: Mapping[str, Any] | None = None,
    classes: ClassNames | None = None,
    label_set: LabelSet | None = None,
) -> Segmenter:
    """Load a model so that it is ready to use. Nothing is downloaded.

    Args:
        model: None for the bundled model, a model's name, a .safetensors file, or a run folder.
        options: Device, precision, scale and flip of every call that does not say otherwise.
        device: Replaces `options.device`: a name of torch's, or "auto" for a GPU where there is one.
        precision: Replaces `options.precision`: "no" (fp32), "bf16" (faster on a GPU, or on a processor with AMX), or
            "auto": bf16 where it is faster on this device.
        decode: Fields of the method's DecodeConfig to replace, such as {"nms_iou": 0.6}.
        classes: Names predictions by other classes than the model's: class -> classes of the model that stand for it,
            such as {"vehicle": "car,truck"}, see `ClassMap.between`. What stands for none is left out.
        label_set: The label set that has these classes; None: they get the ids 1, 2, ...

    Warns:
        PartwiseWarning: If the precision is "bf16" and the hardware only emulates it.

    Raises:
        PartwiseError: If the model is missing, damaged or of another version, the device is not here, or an option does
            not fit the model.
    """
    options = options.changed(device=device, precision=precision)
    options = options.changed(device=find_device(options.device))
    if decode is not None and not isinstance(decode, Mapping):
        raise PartwiseError(f"decode {shown(decode)}: give a dict of fields, such as {{'nms_iou': 0.6}}")
    if options.precision == "auto":
        options = options.changed(precision="bf16" if gains_from_bf16(torch.device(options.device)) else "no")
    elif options.precision == "bf16" and (slow := slow_precision(torch.device(options.device))):
        warnings.warn(slow, PartwiseWarning, stacklevel=2)
    method, info = load_model(find_model(model), decode=None if decode is None else dict(decode))
    method = fold_batch_norm(method)
    if classes:
        own = method.label_set
        named = named_classes(classes, own) if label_set is None else label_set
        method = MappedMethod(method, ClassMap.between(named, own, classes))
    return Segmenter(method, info, options)


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
