"""What a metric is: it keeps a record of each image, and makes scores of many records, each with a weight.

Bootstrap intervals, merging of what several processes counted, JSON files, tables and comparisons ask nothing else of a
metric. The own ones are in `OWN_METRICS` (available.py). Another package announces its class as an entry point of the
group "streeteval.metrics" (plugins.py).

Axes: B weightings, N images.
"""

from __future__ import annotations

import itertools
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol, TypeVar

import numpy as np

from streeteval.errors import InputError
from streeteval.instances import Instances
from streeteval.labels import LabelSet
from streeteval.scene import Scene

__all__ = ["SIDE_BOUNDS_PX", "Detail", "Metric", "Predicted", "SizeRange", "finite_array", "size_ranges"]

SIDE_BOUNDS_PX = (32, 64, 128, 256)  # between the sizes of instances: of the longest side of the box in pixels
Record = TypeVar("Record")


class SizeRange(NamedTuple):
    """Instances whose longest side in pixels lies in [low, below).

    Attributes:
        name: In words, such as "32-64".
        low: Least side in px.
        below: Upper bound of the side in px, not included.
    """

    name: str
    low: float
    below: float


def size_ranges(bounds_px: Sequence[int] = SIDE_BOUNDS_PX) -> tuple[SizeRange, ...]:
    """Return the ranges of size between bounds that rise.

    Raises:
        InputError: If the bounds do not rise.

    >>> [tuple(one) for one in size_ranges((16, 32))]
    [('<16', 0, 16), ('16-32', 16, 32), ('>=32', 32, inf)]
    """
    bounds = tuple(bounds_px)
    if not bounds or any(low >= high for low, high in itertools.pairwise((0, *bounds))):
        said = ", ".join(map(str, bounds)) or "none"
        raise InputError(f"bounds of sizes: {said}: give sides in pixels above 0, each larger than the one before")
    between = (SizeRange(f"{low}-{high}", low, high) for low, high in itertools.pairwise(bounds))
    return SizeRange(f"<{bounds[0]}", 0, bounds[0]), *between, SizeRange(f">={bounds[-1]}", bounds[-1], np.inf)


@dataclass(frozen=True)
class Detail:
    """Asks a metric for the figures of each class and of each size, beside its headline figures.

    Attributes:
        sizes: The ranges of size.
    """

    sizes: tuple[SizeRange, ...]


@dataclass(frozen=True, eq=False)
class Predicted:
    """What was predicted of one image; None for what the method or the result files do not say.

    Attributes:
        instances: Instances with ids of the label set as labels.
        semantic_HW: (H, W) label ids (not train ids).
        scores: (N,) float64 confidences in place of `instances.scores`, if float32 would tie what a file tells apart.
    """

    instances: Instances | None = None
    semantic_HW: np.ndarray | None = None
    scores: np.ndarray | None = None


class Metric(Protocol[Record]):
    """A metric of a label set. Subclass it: only `name`, `observe` and `summarise` have no default.

    A metric keeps nothing of the images: all that it needs of one is in its record, so that the order of the images and
    the process that observed them change nothing. It can be pickled.

    Attributes:
        label_set: The classes.
        name: Its key in the scores of `CityscapesEvaluator.compute` and the name of its entry point.
        better: Whether the higher or the lower of two figures is the better one, for the words of a comparison.
        fractions: True where the figures lie in 0..1; differences are then said in points (hundredths).

    Example:
        A metric that compares the numbers of true and of predicted instances::

            class CountError(Metric[int]):
                name, better, fractions = "counts", "lower", False

                def observe(self, scene, prediction, depth_HW=None):
                    found = prediction.instances
                    return None if found is None else abs(len(scene.instances) - len(found))

                def summarise(self, records, weights_BN, detail=None):
                    return {"mean_error": weights_BN @ np.array(records) / weights_BN.sum(axis=1)}
    """

    label_set: LabelSet
    name: str
    better: Literal["higher", "lower"] = "higher"
    fractions: bool = True

    def __init__(self, label_set: LabelSet) -> None:
        self.label_set = label_set

    @abstractmethod
    def observe(self, scene: Scene, prediction: Predicted, depth_HW: np.ndarray | None = None) -> Record | None:
        """Make the record of one image.

        Args:
            scene: The image with its truth.
            prediction: What was predicted.
            depth_HW: (H, W) depth of the truth in metres, NaN where unknown; None without depth.

        Returns:
            All that `summarise` needs of the image; nothing in it should grow with the pixels. None if the prediction
            lacks what the metric is about. It must be None for every image or for none.

        Raises:
            InputError: If the prediction cannot be scored; the error names the scene.
        """
        ...

    @abstractmethod
    def summarise(
        self, records: Sequence[Record], weights_BN: np.ndarray, detail: Detail | None = None
    ) -> dict[str, np.ndarray]:
        """Compute the figures of B weightings of the N images, such as bootstrap draws.

        Args:
            records: What `observe` returned for each image; at least one.
            weights_BN: (B, N) int, how often each image counts.
            detail: None for the headline figures alone, which get intervals. Otherwise also figures of classes, with
                names such as "ap car", and of sizes, such as "ap 32-64 px", if the metric has any; `compare` shows
                them.

        Returns:
            (B,) values of each figure by its name, NaN if one has no value; the same figures for all records and
            weights. A weight of n counts as n images with this record.
        """
        ...

    def images_behind(self, records: Sequence[Record], detail: Detail | None = None) -> dict[str, int]:
        """Count the images that have truth for each figure of `summarise`: with too few, it has no interval.

        By default, the images for which the figure has a value if they are scored alone. Metrics whose figures also
        have one where there is no truth and something was predicted count the truth instead.
        """
        once = np.ones((1, 1), np.int64)
        alone = [self.summarise([record], once, detail) for record in records]
        return {figure: sum(not np.isnan(one[figure][0]) for one in alone) for figure in alone[0]}

    def scores(self, records: Sequence[Record], detail: Detail) -> dict[str, Any]:
        """Return what stands under `name` in the scores: figures, or mappings of them, with every image once.

        A table finds the interval of the figure at ["ar"]["10"] under the headline "ar.10" of `summarise`. By default,
        all that `summarise` returns.
        """
        once = np.ones((1, len(records)), np.int64)
        return {figure: float(values[0]) for figure, values in self.summarise(records, once, detail).items()}

    def kinds(self, record: Record) -> tuple[str, ...]:
        """Say what can be scored with a record: the same for every image, and for two results that are compared."""
        return (self.name,)

    @property
    def record_key(self) -> str | None:
        """The key of the record in the JSON of an image, or None if the record is not kept and cannot be compared."""
        return self.name

    def record_to_json(self, record: Record | None) -> Any:
        """Return a record as a JSON file holds it, by default unchanged; arrays and NaN may stay, see `json_ready`."""
        return record

    def record_from_json(self, value: Any) -> Record | None:
        """Restore a record from what `record_to_json` returned. By default, what the file holds.

        Raises:
            ValueError, TypeError, KeyError or OverflowError: If `value` is anything else.
        """
        return value


def finite_array(value: Any, shape: tuple[int, ...]) -> np.ndarray:
    """Return finite float64 numbers of this shape, from what a JSON file holds.

    Raises:
        ValueError or TypeError: If `value` is anything else.

    >>> finite_array([1, 2.5], (2,))
    array([1. , 2.5])
    """
    array = np.array(value, np.float64)
    if array.shape != shape or not np.isfinite(array).all():
        raise ValueError(f"{array.shape} and not {shape}, or not finite")
    return array
