"""See a photo with a model, and keep what is needed to explain any pixel of it at once.

Axes: H and W pixels.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from partwise.errors import PartwiseError
from partwise.methods import Explainer, Explanation, Method, explainer_of, image_batch
from partwise.methods.asked import middle_of_highest_score
from partwise.methods.options import InferenceOptions, resized_images, seen_sizes
from partwise.methods.views import predict_views
from partwise.scene import Prediction
from partwise.segmenter import Result, Segmenter
from streeteval.instances import Instances

__all__ = ["Explained", "Seen", "View", "see", "why_no_explanation"]


@dataclass(frozen=True, eq=False)
class View:
    """One size at which the network saw a photo.

    Attributes:
        size: (H, W) in pixels.
        explainer: Explains pixels of this size.
        place: For each instance of this view its index in the result; -1 if the result does not have it.
    """

    size: tuple[int, int]
    explainer: Explainer
    place: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Explained:
    """The explanation of one pixel of a photo.

    Attributes:
        explanation: The explanation; its positions are in pixels of the view.
        view: The view.
        instance: Index in the result of the instance at the pixel; -1 for none.
        overview: Whether the view is not the usual one but the smaller one for large objects.
    """

    explanation: Explanation
    view: View
    instance: int
    overview: bool


@dataclass(frozen=True, eq=False)
class Seen:
    """What a model found in a photo.

    Attributes:
        result: Every instance, the highest score first, at the size of the photo.
        views: The views of the photo, the usual one first; empty if the method cannot explain its decisions.
    """

    result: Result
    views: tuple[View, ...]

    def explain(self, x: int, y: int, instance: int = -1) -> Explained:
        """Explain one pixel in the view from which its instance was taken.

        Args:
            x: Column of the pixel in the photo.
            y: Row of the pixel in the photo.
            instance: Index in the result of the instance that is asked for; -1 for the usual view.

        Raises:
            PartwiseError: If the pixel lies outside the photo, or the method cannot explain its decisions.
        """
        height, width = self.result.size
        if not (0 <= x < width and 0 <= y < height):
            raise PartwiseError(f"pixel {x},{y}: the photo is {width}x{height}: give a pixel inside it")
        if not self.views:
            raise PartwiseError("this model cannot explain its decisions: serve one of part maps or of centres")
        which = next((n for n, view in enumerate(self.views) if instance >= 0 and instance in view.place), 0)
        view = self.views[which]
        point = x * view.size[1] // width, y * view.size[0] // height
        explanation = view.explainer.at(point)
        found = explanation.instance
        return Explained(explanation, view, view.place[found] if found >= 0 else -1, which > 0)

    def middle_of(self, instance: int) -> tuple[int, int]:
        """Return (x, y) of the pixel of an instance that is farthest from the border of its mask."""
        return middle_of_highest_score(self.result.instances[[instance]])


def why_no_explanation(segment: Segmenter) -> str:
    """Say why a model cannot explain its decisions; "" if it can."""
    try:
        segment.require_explainable()
    except PartwiseError as error:
        return str(error).removeprefix("explain: ")
    scales = segment.options.scale
    if isinstance(scales, Sequence) and len(scales) > 1:
        return "with several scales no single view decides: give one scale"
    return ""


def see(segment: Segmenter, image_HW3: np.ndarray, name: str | None = None) -> Seen:
    """Find the instances in a photo, and keep the outputs of the network.

    The result is that of a call of the model.

    Args:
        segment: The model.
        image_HW3: (H, W, 3) uint8 RGB.
        name: Name of the photo.
    """
    if why_no_explanation(segment):
        return Seen(segment(image_HW3, name=name), ())
    import torch

    method: Method = segment.method
    own_way = type(method).predict_as_is is not Method.predict_as_is  # such as several sizes at once
    batch = image_batch(image_HW3, segment.device)
    made: list[tuple[tuple[int, int], Explainer]] = []

    def at(view: tuple[int, int]) -> list[Prediction]:
        outputs = method.respond(resized_images(batch, view), segment.options.flip)
        explainer = explainer_of(method, outputs, view)
        made.append((view, explainer))
        return [explainer.prediction.resized(image_HW3.shape[:2])]

    with segment.options.autocast(), torch.inference_mode():
        prediction = _predicted(
            at, method, image_HW3.shape[:2], segment.options, overview=segment.options.overview and not own_way
        )
    if own_way:
        result = segment(image_HW3, name=name)
    else:
        result = segment.as_result(prediction, image_HW3, name)
    return Seen(result, _placed(made, result.instances))


def _predicted(
    at: Any, method: Method, size: tuple[int, int], options: InferenceOptions, *, overview: bool
) -> Prediction:
    """Predict as `Method.predict` does with one scale or the default one; `at` predicts one view."""
    (seen,) = [method.usual_size(size)] if options.scale is None else seen_sizes(size, options.scale)
    if not overview:
        return at(seen)[0]
    return predict_views(at, size, seen, method.largest_px, method.label_set)[0]


def _placed(made: list[tuple[tuple[int, int], Explainer]], shown: Instances) -> tuple[View, ...]:
    """Find each instance of each view among those that are shown, by its class and its score."""
    free: dict[tuple[int, float], list[int]] = defaultdict(list)
    for index, key in enumerate(zip(shown.labels.tolist(), shown.scores.tolist(), strict=True)):
        free[key].append(index)
    views = []
    for size, explainer in made:
        found = explainer.prediction.instances
        keys = zip(found.labels.tolist(), found.scores.tolist(), strict=True)
        views.append(View(size, explainer, tuple(free[key].pop(0) if free.get(key) else -1 for key in keys)))
    return tuple(views)
