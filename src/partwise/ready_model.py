"""`Segmenter`: a model that is ready to use. It takes an image and returns a `Result`."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from partwise.data.given_image import as_image, name_of
from partwise.data.resized import image_at
from partwise.errors import PartwiseError
from partwise.methods.asked import require_inside
from partwise.methods.options import DEFAULT_OPTIONS, InferenceOptions, Scale, seen_sizes
from partwise.model_info import ModelInfo
from partwise.result import Result
from partwise.runtime.exported_parts import ExportedParts
from partwise.scene import Prediction
from partwise.selection import SHOWN_SCORE, MinScore, require_selection, selected
from streeteval.given import flag, shown

if TYPE_CHECKING:
    from partwise.methods import Explanation, Method
    from partwise.video.following import TrackedResult

__all__ = ["SHOWN_SCORE", "Segmenter"]


class Segmenter:
    """A trained method on a device. `load` makes it.

    Attributes:
        method: The network with its decoder, in evaluation mode, on `options.device`: a `Method`, or an exported
            file as `ExportedParts`.
        info: What the model file says about the model.
        options: How the model predicts if a call does not say otherwise. The precision is "no" (fp32) or "bf16".

    Raises:
        PartwiseError: If `options.flip` is set and the method does not support mirror images.
    """

    def __init__(
        self, method: Method | ExportedParts, info: ModelInfo, options: InferenceOptions = DEFAULT_OPTIONS
    ) -> None:
        self.method: Any = method if isinstance(method, ExportedParts) else _on_device(method, options)
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
                for the scale of `options`, without which the model chooses the size. Objects that are too large for
                it are taken from a smaller view, see `InferenceOptions.overview`.
            flip: Let the network also see the mirror image, and average both outputs. It is more accurate and takes
                twice the time. None for the flip of `options`.

        Returns:
            The instances with the highest score first, and the semantic map, at the size of the image.

        Raises:
            PartwiseError: If the image cannot be read, a number is out of range, or the method does not support `flip`.
        """
        if name is None:
            name = name_of(image)
        if name is not None and not isinstance(name, str):
            raise PartwiseError(f"name {shown(name)}: give a text")
        shown_as = _Shown(min_score, tuple(classes), flag("distinct", distinct))
        require_selection(self.method.label_set, min_score, classes)
        options = self.options.changed(scale=scale, flip=flip)
        pixels = as_image(image)
        return self._result(pixels, self._predict([pixels], options)[0], shown_as, name)

    def _predict(self, images: Sequence[np.ndarray], options: InferenceOptions) -> list[Prediction]:
        """Predict images of one size, each (H, W, 3), in one batch."""
        batch = np.stack(images).transpose(0, 3, 1, 2)
        if isinstance(self.method, ExportedParts):
            return self.method.predict(batch, options)
        import torch

        with options.autocast():
            return self.method.predict(torch.tensor(batch).to(self.device), options)

    def _result(self, pixels: np.ndarray, prediction: Prediction, chosen: _Shown, name: str | None) -> Result:
        """Make the result of one image of the prediction's instances that are kept."""
        kept = selected(prediction.instances, self.method.label_set, chosen.min_score, chosen.classes)
        kept = kept.distinct() if chosen.distinct else kept
        return self.as_result(Prediction(kept, prediction.semantic_HW), pixels, name)

    def as_result(self, prediction: Prediction, image_HW3: np.ndarray, name: str | None = None) -> Result:
        """Make the result of a prediction of this model.

        Args:
            prediction: Instances and semantic map.
            image_HW3: (H, W, 3) uint8 RGB, the image that was predicted.
            name: Name of the image.
        """
        found = prediction.instances
        fields = found.labels, found.scores, found.boxes, found.masks, found.size
        return Result(
            *fields,
            semantic_HW=prediction.semantic_HW,
            image_HW3=image_HW3,
            name=name,
            origin=self.info.origin,
            label_set=self.method.label_set,
        )

    def explain(self, image: Any, point: tuple[int, int] | None = None, scale: float | None = None) -> Explanation:
        """Explain why a pixel belongs to its instance, or to no instance.

        Args:
            image: An image in any form that a call takes.
            point: (x, y) in pixels of the image; None for the middle of the instance with the highest score.
            scale: Factor by which the image is enlarged for the network; None for the scale of `options`. The view
                of this scale is explained, and not the smaller view from which large objects are taken.

        Returns:
            The explanation. Its positions are in pixels of the image that `seen` returns.

        Raises:
            PartwiseError: If the pixel lies outside the image, nothing was found and no pixel is given, several scales
                are given, or the method cannot explain its decisions.
        """
        from partwise.methods import image_batch

        method = self.require_explainable()
        pixels = as_image(image)
        size, seen = pixels.shape[:2], self.seen(pixels, scale)
        require_inside(point, size)
        if point is not None:
            point = int(point[0]) * seen.shape[1] // size[1], int(point[1]) * seen.shape[0] // size[0]
        with self.options.autocast():
            outputs = method.respond(image_batch(seen, self.device), self.options.flip)
        return method.explain(outputs, seen.shape[:2], point)

    def require_explainable(self) -> Any:
        """Return the method, which can explain its decisions.

        Raises:
            PartwiseError: If it cannot.
        """
        if isinstance(self.method, ExportedParts):
            raise PartwiseError("explain: an exported file cannot explain its decisions: give the .safetensors model")
        from partwise.methods import METHODS, Explainable, MappedMethod

        if isinstance(self.method, MappedMethod):
            raise PartwiseError("explain: the model is loaded with other classes than its own: load it without them")
        if not isinstance(self.method, Explainable):
            name, able = self.info.method.get("kind"), [one for one in METHODS if issubclass(METHODS[one], Explainable)]
            raise PartwiseError(
                f"a model of method {name} cannot explain its decisions: give a model of {', '.join(able)}, "
                "such as the bundled model"
            )
        return self.method

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
        sizes = seen_sizes(pixels.shape[:2], scales, self.method.default_scale, self.method.view_px)
        if len(sizes) > 1:
            raise PartwiseError(f"scale {shown(scales)}: give one number here")
        return image_at(pixels, sizes[0])

    def stream(self, images: Iterable[Any], *, batch: int = 1, **arguments: Any) -> Iterator[Result]:
        """Yield `self(image, **arguments)` for each of several images.

        Args:
            images: A list, a generator or an array (N, H, W, 3).
            batch: Number of images that are read before the network runs. Those of one size go through the network
                together, which is faster on a GPU.
            **arguments: Keyword arguments of a call, such as `min_score`, but not `name`.

        Returns:
            An iterator over the results, in the order of the images. Each batch is processed when the first of its
            results is taken.

        Raises:
            PartwiseError: If a single image or `name` is given, or `batch` is not a whole number from 1 on.
        """
        if isinstance(batch, bool) or not isinstance(batch, int) or batch < 1:
            raise PartwiseError(f"batch {shown(batch)}: give a whole number from 1 on")
        if "name" in arguments:
            raise PartwiseError(f"stream: name {shown(arguments['name'])}: images cannot have one name: leave it out")
        single = isinstance(images, str | bytes | os.PathLike | Image.Image) or getattr(images, "ndim", 4) in (2, 3)
        if single or not isinstance(images, Iterable):
            raise PartwiseError(f"stream: {type(images).__name__} is not several images: give a list of images")
        if batch == 1:
            return (self(image, **arguments) for image in images)
        return self._streamed(iter(images), batch, **arguments)

    def _streamed(
        self,
        images: Iterator[Any],
        batch: int,
        *,
        min_score: MinScore = 0.0,
        classes: Sequence[str] = (),
        distinct: bool = False,
        scale: Scale = None,
        flip: bool | None = None,
    ) -> Iterator[Result]:
        """Yield the results of images, `batch` at a time; those of one size go through the network together."""
        require_selection(self.method.label_set, min_score, classes)
        chosen = _Shown(min_score, tuple(classes), flag("distinct", distinct))
        options = self.options.changed(scale=scale, flip=flip)
        while given := list(islice(images, batch)):
            pixels = [as_image(image) for image in given]
            by_size: dict[tuple[int, ...], list[int]] = {}
            for index, one in enumerate(pixels):
                by_size.setdefault(one.shape, []).append(index)
            found: dict[int, Prediction] = {}
            for indices in by_size.values():
                found |= zip(indices, self._predict([pixels[index] for index in indices], options), strict=True)
            for index, (image, one) in enumerate(zip(given, pixels, strict=True)):
                yield self._result(one, found[index], chosen, name_of(image))

    def track(self, source: str | os.PathLike, **arguments: Any) -> Iterator[TrackedResult]:
        """Find the instances in each frame of a video and follow them. It needs the extra `video`.

        Args:
            source: A video file, the address of a stream, the number of a camera, or a folder of pictures.
            **arguments: `span` and `settings` of `partwise.video.following.follow`, and keyword arguments of a call,
                such as `scale`, but not `min_score`, in whose place `settings` has thresholds, and `name`.

        Returns:
            An iterator over the frames. Each is a Result with `tracks`, `frame` and `seconds`; it has the instances
            that are in a track.

        Raises:
            PartwiseError: If the video cannot be read, or `min_score` or `name` is given.
        """
        from partwise.video.following import follow

        return follow(self, source, **arguments)


@dataclass(frozen=True)
class _Shown:
    """Which instances of a prediction a result has; see `Segmenter.__call__`."""

    min_score: MinScore
    classes: tuple[str, ...]
    distinct: bool


def _on_device(method: Method, options: InferenceOptions) -> Method:
    """Move a network to its device."""
    from partwise.backbones.on_device import on_device
    from partwise.methods import require_mirrorable

    if options.flip:
        require_mirrorable(method)
    return on_device(method, options.device).eval()
