"""A model that is ready to use: it takes an image and returns a `Result`."""

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
from partwise.device import find_device
from partwise.errors import PartwiseError, PartwiseWarning, warn_of
from partwise.given import flag, shown
from partwise.labels import LabelSet
from partwise.methods import METHODS, Explainable, Explanation, MappedMethod, Method, require_mirrorable
from partwise.methods.asked import require_inside
from partwise.methods.method import image_at, image_batch
from partwise.methods.options import DEFAULT_OPTIONS, InferenceOptions, Scale, seen_sizes
from partwise.model_files import find_model
from partwise.result import Result
from partwise.selection import MinScore, require_selection, selected
from partwise.training.checkpoint import ModelInfo, load_model
from partwise.training.precision import gains_from_bf16, slow_precision
from partwise.video import Followed, Span, VideoSource, follow

__all__ = [
    "SHOWN_SCORE",
    "Result",
    "Segmenter",
    "load",
]

WHOLE = Span()
SHOWN_SCORE = 0.1  # default display threshold; the precision of the default model there is 0.83


class Segmenter:
    """A trained method on a device. `load` makes it.

    Attributes:
        method: The network with its decoder, in evaluation mode, on `options.device`.
        info: What the model file says about the model.
        options: How the model predicts if a call does not say otherwise. The precision is "no" (fp32) or "bf16".

    Raises:
        PartwiseError: If `options.flip` is set and the method does not support mirror images.
    """

    def __init__(self, method: Method, info: ModelInfo, options: InferenceOptions = DEFAULT_OPTIONS) -> None:
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
        """Precision of the network, "no" (fp32) or "bf16"."""
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
        """Find the instances in an image.

        Args:
            image: A path, a PIL image, an array (H, W, 3), a tensor (3, H, W), bytes or an open file.
            min_score: Leave out instances with a lower score, 0..1; also by class, such as {"car": 0.3, "*": 0.1},
                where "*" stands for all classes that are not named.
            classes: Names of the only classes whose instances are kept; empty for all.
            distinct: Leave out each instance that a higher-scoring instance of another class overlaps by more than
                IoU .5.
            name: Name of the files that `Result.save` writes; None for the name of the image file without its suffix.
            scale: Factor by which the image is enlarged for the network. A smaller factor is faster, a larger one finds
                smaller objects. With several factors, such as (1, 1.5), the instances of all sizes are joined. None
                for the scale of `options`, by default the default scale of the model with no side longer than 2048 px.
            flip: Let the network also see the mirror image, and average both outputs. It is more accurate and takes
                twice the time. None for the flip of `options`.

        Returns:
            The instances with the highest score first, and the semantic map, at the size of the image.

        Raises:
            PartwiseError: If the image cannot be read, a number is out of range, or the method does not support `flip`.
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
        """Explain why a pixel belongs to its instance, or to no instance.

        Args:
            image: An image in any form that a call takes.
            point: (x, y) in pixels of the image; None for the middle of the instance with the highest score.
            scale: Factor by which the image is enlarged for the network; None for the scale of `options`.

        Returns:
            The explanation. Its positions are in pixels of the image that `seen` returns.

        Raises:
            PartwiseError: If the pixel lies outside the image, nothing was found and no pixel is given, several scales
                are given, or the method cannot explain its decisions.
        """
        if isinstance(self.method, MappedMethod):
            raise PartwiseError("explain: the model is loaded with other classes than its own: load it without them")
        if not isinstance(self.method, Explainable):
            name, able = self.info.method.get("kind"), [one for one in METHODS if issubclass(METHODS[one], Explainable)]
            raise PartwiseError(
                f"a model of method {name} cannot explain its decisions: give a model of {', '.join(able)}, "
                "such as the bundled model"
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
            image: An image in any form that a call takes.
            scale: Factor by which the image is enlarged; None for the scale of `options`.

        Returns:
            (H, W, 3) uint8 RGB.

        Raises:
            PartwiseError: If the image cannot be read, a scale is out of range, or several scales are given.
        """
        pixels = as_image(image)
        scales = self.options.changed(scale=scale).scale
        sizes = seen_sizes(pixels.shape[:2], scales, self.method.default_scale)
        if len(sizes) > 1:
            raise PartwiseError(f"scale {shown(scales)}: give one number here")
        return image_at(pixels, sizes[0])

    def track(self, video: str | os.PathLike | int, *, span: Span = WHOLE, **arguments: Any) -> Iterator[Followed]:
        """Find the instances of each frame of a video and follow them from frame to frame.

        Args:
            video: A video file, a URL, the number of a webcam, or a folder of frames in the order of their names.
            span: Which frames are read.
            **arguments: Keyword arguments of a call, such as `min_score`.

        Returns:
            An iterator over results with `tracks`, `frame` and `time_s`.

        Raises:
            PartwiseError: If the video cannot be read, or the extra `video` is not installed.
        """
        return follow(self, VideoSource(video, span), **arguments)

    def stream(self, images: Iterable[Any], **arguments: Any) -> Iterator[Result]:
        """Yield `self(image, **arguments)` for each of several images.

        Args:
            images: A list, a generator or an array (N, H, W, 3).
            **arguments: Keyword arguments of a call, such as `min_score`.

        Returns:
            An iterator over the results. Each image is processed when its result is taken.

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
    """Load a model that is ready to use. Nothing is downloaded.

    If the precision is "bf16" and the hardware only emulates it, there is a `PartwiseWarning`.

    Args:
        model: The name of an installed model, a .safetensors file, or a run folder; None for the default model.
        options: Device, precision, scale and flip of every call that does not say otherwise.
        device: Replaces `options.device`: a name of torch, such as "cuda:1", or "auto" for a GPU if there is one.
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
        class_map = ClassMap.between(named, own, classes)
        if missing := class_map.never_found:
            remedy = "map a class with instances to each, or ignore them in a label file"
            warn_of("", [f"no class of the model gives {', '.join(missing)}: they are never found, score 0: {remedy}"])
        method = MappedMethod(method, class_map)
    return Segmenter(method, info, options)
