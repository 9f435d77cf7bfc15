"""Explain why a pixel belongs to an instance, or to none: the position it votes for, and the centres near it.

Axes: T classes with instances, h and w cells of a map.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from partwise.methods.asked import instance_at, largest, middle_of_highest_score, pixel_to_json, require_inside
from partwise.methods.centres.decode import votes
from partwise.methods.centres.targets import STRIDE_PX
from partwise.methods.method import Outputs
from partwise.scene import Prediction
from streeteval.labels import LabelSet

if TYPE_CHECKING:
    from partwise.methods.centres.network import Centres

# The outcomes of a pixel.
OUTCOMES = {
    "stuff": "the class that the semantic map gives this pixel has no instances",
    "alone": "its class has no centre with a heat above decode.min_heat",
    "small": "the centre of its class that is nearest to its vote has fewer pixels than decode.min_area_px",
    "kept": "it joins the centre of its class that is nearest to its vote",
}


@dataclass(frozen=True)
class Centre:
    """A peak of the heat map of the pixel's class.

    Attributes:
        heat: 0..1.
        place: (x, y) in px.
        distance_px: Distance from the position that the pixel votes for.
    """

    heat: float
    place: tuple[float, float]
    distance_px: float


@dataclass(frozen=True, eq=False)
class CentresExplanation:
    """The explanation of one pixel.

    Attributes:
        point: (x, y) of the pixel.
        prediction: Everything that was found in the image.
        instance: Index of the instance whose mask contains the pixel; -1 for none.
        semantic: Class name -> probability at the pixel, the largest first.
        label: Name of the class that the semantic map has at the pixel.
        vote: (x, y) in px of the centre that the pixel votes for.
        centres: The centres of its class, the nearest to the vote first; empty if the class has no instances.
        outcome: A key of OUTCOMES.
        heat_hw: (h, w) heat of its class at stride 4, 0..1; None if the class has no instances.
    """

    point: tuple[int, int]
    prediction: Prediction
    instance: int
    semantic: dict[str, float]
    label: str
    vote: tuple[float, float]
    centres: tuple[Centre, ...]
    outcome: str
    heat_hw: np.ndarray | None

    def to_json(self) -> dict:
        """Return plain values without the map. The index of the instance is its place in the prediction."""
        pixel = pixel_to_json(self.point, self.prediction.instances, self.instance, self.semantic)
        return pixel | {
            "label": self.label,
            "vote": list(self.vote),
            "centres": [asdict(centre) | {"place": list(centre.place)} for centre in self.centres],
            "outcome": self.outcome,
            "outcome_in_words": OUTCOMES[self.outcome],
        }


class CentresExplainer:
    """Explains pixels of one image, which is decoded once.

    Args:
        method: The method whose outputs these are.
        outputs: Outputs for a batch of one image.
        size: (H, W) of the image in pixels.

    Attributes:
        prediction: Everything that was found in the image.
    """

    @torch.inference_mode()
    def __init__(self, method: Centres, outputs: Outputs, size: tuple[int, int]) -> None:
        self.method, self.size, self.prediction = method, size, method.decode(outputs, size)[0]
        self._votes_2HW, self._heat_Thw = votes(outputs["offset"][0]), outputs["heat"][0]
        self._probability_Chw = torch.softmax(outputs["semantic"][0].float(), dim=0)

    @torch.inference_mode()
    def at(self, point: tuple[int, int] | None = None) -> CentresExplanation:
        """Explain why a pixel joined its centre.

        Args:
            point: (x, y) of the pixel; None for the middle of the instance with the highest score.

        Raises:
            PartwiseError: If the pixel lies outside the image, or if none is given and nothing was found.
        """
        require_inside(point, self.size)
        instances, semantic_HW = self.prediction.instances, self.prediction.semantic_HW
        x, y = point = middle_of_highest_score(instances) if point is None else point
        label_set: LabelSet = self.method.label_set
        assert semantic_HW is not None
        label = label_set.by_id[int(semantic_HW[y, x])]
        vote_x, vote_y = self._votes_2HW[:, y, x].flip(0).tolist()
        centres, heat_hw = [], None
        if label in label_set.things:
            index = label_set.things.index(label)
            heat_hw = torch.sigmoid(self._heat_Thw[index].float()).cpu().numpy()
            centres = self._centres(index, (vote_x, vote_y))
        instance = instance_at(instances, point)
        if heat_hw is None:
            outcome = "stuff"
        elif not centres:
            outcome = "alone"
        else:
            outcome = "kept" if instance >= 0 else "small"
        stride = self._heat_Thw.shape[-2] * STRIDE_PX // self._probability_Chw.shape[-2]
        here = self._probability_Chw[:, y // stride, x // stride].tolist()
        return CentresExplanation(
            point=point,
            prediction=self.prediction,
            instance=instance,
            semantic=largest([one.name for one in label_set.evaluated], here),
            label=label.name,
            vote=(vote_x, vote_y),
            centres=tuple(sorted(centres, key=lambda centre: centre.distance_px)),
            outcome=outcome,
            heat_hw=heat_hw,
        )

    def _centres(self, index: int, vote: tuple[float, float]) -> list[Centre]:
        """List the centres of a class, given by its place among those with instances."""
        found = []
        heats, classes, places = (column.tolist() for column in self.method.decoder.centres(self._heat_Thw))
        for heat, class_, (centre_y, centre_x) in zip(heats, classes, places, strict=True):
            if class_ == index:
                away = float(np.hypot(centre_x - vote[0], centre_y - vote[1]))
                found.append(Centre(heat, (centre_x, centre_y), away))
        return found


def explain(
    method: Centres, outputs: Outputs, size: tuple[int, int], point: tuple[int, int] | None = None
) -> CentresExplanation:
    """Decode the outputs for one image, and explain why a pixel joined its centre.

    Args:
        method: The method whose outputs these are.
        outputs: Outputs for a batch of one image.
        size: (H, W) of the image in pixels.
        point: (x, y) of the pixel; None for the middle of the instance with the highest score.

    Raises:
        PartwiseError: If the pixel lies outside the image, or if none is given and nothing was found.
    """
    require_inside(point, size)
    return CentresExplainer(method, outputs, size).at(point)
