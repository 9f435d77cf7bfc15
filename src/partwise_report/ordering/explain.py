"""Why a pixel belongs to its instance, or to none, by an ordering: what each map says there, and the map of its own.

Axes: R maps (0 background), H and W in pixels.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from partwise.errors import PartwiseError
from partwise.methods import Outputs
from partwise.methods.asked import instance_at, largest, middle_of_highest_score, pixel_to_json, require_inside
from partwise.scene import Prediction, Scene
from partwise_report.ordering.targets import OVERFLOW, of_class

if TYPE_CHECKING:
    from partwise.report.panel import Panel
    from partwise_report.ordering.network import Ordering

TOLD = 5  # maps, with the highest probabilities at the pixel


@dataclass(frozen=True)
class TrueInstance:
    """An instance of the truth in its order.

    Attributes:
        rank: Its map, 1 and up; None where the order has no map for it (overflow).
        centre: (x, y) in pixels of the mean of its pixels.
        holds_pixel: Whether the pixel is one of its own.
    """

    rank: int | None
    centre: tuple[float, float]
    holds_pixel: bool


@dataclass(frozen=True, eq=False)
class OrderExplanation:
    """Of one pixel (x, y).

    Attributes:
        point: (x, y) of the pixel.
        prediction: Everything that was found in the image.
        instance: Index of the instance that holds the pixel; -1 for none.
        rank: The map with the highest probability at the pixel; 0 is the background.
        maps: Map -> its probability at the pixel, the largest first, at most `TOLD`.
        own_map_HW: (H, W) float 0..1, the probability of the map `rank` over the image.
        order: The true instances of the class by rank; None where the truth is not known, or gives them no maps.
        class_name: Of the instances that are told apart.
        noun: What a map stands for: "rank", "place", "map" or "colour".
    """

    point: tuple[int, int]
    prediction: Prediction
    instance: int
    rank: int
    maps: dict[int, float]
    own_map_HW: np.ndarray
    order: tuple[TrueInstance, ...] | None
    class_name: str
    noun: str = "rank"

    @property
    def true_rank(self) -> int | None:
        """The true rank of the pixel, 0 for background; None where it is not known, or the order has none for it."""
        if self.order is None:
            return None
        return next((one.rank for one in self.order if one.holds_pixel), 0)

    def to_json(self) -> dict[str, Any]:
        """Plain values, without the map."""
        pixel = pixel_to_json(self.point, self.prediction.instances, self.instance, {})
        return pixel | {
            "rank": self.rank,
            "maps": {str(number): value for number, value in self.maps.items()},
            "true_rank": self.true_rank,
            "order": None if self.order is None else [asdict(one) | {"centre": [*one.centre]} for one in self.order],
        }

    def to_text(self, shown_score: float) -> str:
        """See `partwise.report.explained.ShowsItself`."""
        from partwise_report.ordering.explained import explanation_text

        return explanation_text(self, shown_score)

    def to_panel(self) -> Panel:
        """See `partwise.report.shown_panel.ShowsPanel`."""
        from partwise_report.ordering.panel import panel_of_ordering

        return panel_of_ordering(self)

    def to_picture(self, image_HW3: np.ndarray) -> np.ndarray:
        """See `partwise.report.explained.ShowsItself`."""
        from partwise_report.ordering.explained import draw_explanation

        return draw_explanation(image_HW3, self)


class OrderExplainer:
    """Explains pixels of one image, which is decoded once.

    Args:
        method: That the outputs are of.
        outputs: Of one image.
        size: (H, W) of the image in pixels.

    Attributes:
        prediction: Everything that was found in the image.
    """

    @torch.inference_mode()
    def __init__(self, method: Ordering, outputs: Outputs, size: tuple[int, int]) -> None:
        self.method, self.size, self.prediction = method, size, method.decode(outputs, size)[0]
        self._probability_RHW = torch.softmax(outputs["ranks"][0, :, : size[0], : size[1]].float(), dim=0)

    @torch.inference_mode()
    def at(self, point: tuple[int, int] | None = None, scene: Scene | None = None) -> OrderExplanation:
        """Explain one pixel; see `Ordering.explain`.

        Raises:
            PartwiseError: If the pixel lies outside the image, none is given and nothing was found, or the scene has
                another size.
        """
        method, size, instances = self.method, self.size, self.prediction.instances
        require_inside(point, size)
        if scene is not None and scene.size != tuple(size):
            raise PartwiseError(
                f"{scene.name}: its truth is of {scene.size}, the image of {tuple(size)}: give one size"
            )
        x, y = point = middle_of_highest_score(instances) if point is None else point
        at_pixel = self._probability_RHW[:, y, x].tolist()
        told = largest([str(number) for number in range(len(at_pixel))], at_pixel)
        rank = int(next(iter(told)))
        return OrderExplanation(
            point=point,
            prediction=self.prediction,
            instance=instance_at(instances, point),
            rank=rank,
            maps={int(number): value for number, value in list(told.items())[:TOLD]},
            own_map_HW=self._probability_RHW[rank].cpu().numpy(),
            order=None if scene is None or not method.ordered else true_order(method, scene, point),
            class_name=method.label_set.name_of(method.config.class_id),
            noun=method.noun,
        )


def explain(
    method: Ordering,
    outputs: Outputs,
    size: tuple[int, int],
    point: tuple[int, int] | None = None,
    scene: Scene | None = None,
) -> OrderExplanation:
    """Explain one pixel; see `Ordering.explain`.

    Raises:
        PartwiseError: If the pixel lies outside the image, none is given and nothing was found, or the scene has
            another size.
    """
    return OrderExplainer(method, outputs, size).at(point, scene)


def true_order(method: Ordering, scene: Scene, point: tuple[int, int]) -> tuple[TrueInstance, ...]:
    """The instances of a scene by rank, those without a rank last."""
    instances = of_class(scene, method.config.class_id)
    ranks = method.assignment(scene).maps_N.tolist()
    found = []
    for n, (rank, (x0, y0, x1, y1)) in enumerate(zip(ranks, instances.boxes.tolist(), strict=True)):
        y, x = np.nonzero(instances.masks[n])
        centre = (float(x0 + x.mean() + 0.5), float(y0 + y.mean() + 0.5))
        inside = x0 <= point[0] < x1 and y0 <= point[1] < y1
        holds = inside and bool(instances.masks[n][point[1] - y0, point[0] - x0])
        found.append(TrueInstance(None if rank == OVERFLOW else rank, centre, holds))
    return tuple(sorted(found, key=lambda one: np.inf if one.rank is None else one.rank))
