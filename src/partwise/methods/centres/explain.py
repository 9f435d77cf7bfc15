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


@torch.inference_mode()
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
    prediction = method.decode(outputs, size)[0]
    x, y = point = middle_of_highest_score(prediction.instances) if point is None else point
    label_set: LabelSet = method.label_set
    assert prediction.semantic_HW is not None
    label = label_set.by_id[int(prediction.semantic_HW[y, x])]
    vote_x, vote_y = votes(outputs["offset"][0])[:, y, x].flip(0).tolist()
    centres, heat_hw = [], None
    if label in label_set.things:
        index = label_set.things.index(label)
        heat_hw = torch.sigmoid(outputs["heat"][0, index].float()).cpu().numpy()
        heats, classes, places = (column.tolist() for column in method.decoder.centres(outputs["heat"][0]))
        for heat, class_, (centre_y, centre_x) in zip(heats, classes, places, strict=True):
            if class_ == index:
                away = float(np.hypot(centre_x - vote_x, centre_y - vote_y))
                centres.append(Centre(heat, (centre_x, centre_y), away))
    instance = instance_at(prediction.instances, point)
    if heat_hw is None:
        outcome = "stuff"
    elif not centres:
        outcome = "alone"
    else:
        outcome = "kept" if instance >= 0 else "small"
    probability_Chw = torch.softmax(outputs["semantic"][0].float(), dim=0)
    stride = outputs["heat"].shape[-2] * STRIDE_PX // probability_Chw.shape[-2]
    here = probability_Chw[:, y // stride, x // stride].tolist()
    return CentresExplanation(
        point=point,
        prediction=prediction,
        instance=instance,
        semantic=largest([one.name for one in label_set.evaluated], here),
        label=label.name,
        vote=(vote_x, vote_y),
        centres=tuple(sorted(centres, key=lambda centre: centre.distance_px)),
        outcome=outcome,
        heat_hw=heat_hw,
    )
