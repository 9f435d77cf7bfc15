"""Decoding of centres: every pixel joins the centre of its class that is nearest to the position it votes for.

Axes: C evaluated classes, T of them with instances, K centres, P pixels of a class, h and w cells, H and W pixels.
"""

from __future__ import annotations

from typing import Annotated

import numpy as np
import torch
from pydantic import AfterValidator, Field
from torch import Tensor
from torch.nn import functional as F

from partwise.fields import Count, CountOrZero, Share, configuration
from partwise.geometry import cell_centres_px
from partwise.methods.centres.targets import STRIDE_PX
from partwise.methods.options import MAX_SCALE
from partwise.methods.semantic import semantic_argmax
from partwise.scene import Prediction
from streeteval.instances import Instances
from streeteval.labels import LabelSet
from streeteval.rle import segments


def _odd(cells: int) -> int:
    """Check that a number is odd."""
    if cells % 2 == 0:
        raise ValueError("give an odd number")
    return cells


@configuration
class CentresDecodeConfig:
    """The settings of the decoder of centres.

    Attributes:
        scale: The network sees an image this many times as large unless the caller gives another scale, see
            `seen_sizes`.
        min_heat: Only cells with a heat above it can be centres, 0..1 (.1 in Panoptic-DeepLab).
        peak_cells: A centre has the highest heat of its class within a square of this many cells a side, odd (7 px in
            Panoptic-DeepLab).
        max_centres: The maximum number of centres, those with the highest heat.
        min_area_px: Instances with fewer pixels are left out.
    """

    scale: Annotated[float, Field(gt=0, le=MAX_SCALE)] = 1.0
    min_heat: Share = 0.1
    peak_cells: Annotated[int, Field(ge=1), AfterValidator(_odd)] = 3
    max_centres: Count = 200
    min_area_px: CountOrZero = 20


class CentresDecoder:
    """The decoder of centres.

    Args:
        config: The settings.
        label_set: The classes.
    """

    def __init__(self, config: CentresDecodeConfig, label_set: LabelSet):
        self.config, self.label_set = config, label_set
        self.things = label_set.things

    def __call__(self, semantic_Chw: Tensor, heat_Thw: Tensor, offset_2hw: Tensor, size: tuple[int, int]) -> Prediction:
        """Decode the outputs for one image.

        Args:
            semantic_Chw: (C, h, w) semantic logits; their cells may be finer than those of the heat.
            heat_Thw: (T, h, w) heat logits at stride 4.
            offset_2hw: (2, h, w) dy and dx in px from each cell's centre to the centre of its instance.
            size: (H, W) of the image in pixels, without the padding.

        Returns:
            The instances, the highest score first, and the semantic map.
        """
        stride = heat_Thw.shape[-2] * STRIDE_PX // semantic_Chw.shape[-2]
        train_ids_HW = semantic_argmax(semantic_Chw, stride)[: size[0], : size[1]]
        heat_K, label_index_K, centre_K2 = self.centres(heat_Thw)
        vote_2HW = votes(offset_2hw)[:, : size[0], : size[1]]
        owner_HW = torch.full(train_ids_HW.shape, -1, dtype=torch.int64, device=heat_Thw.device)
        for index, label in enumerate(self.things):
            of_class = (label_index_K == index).nonzero().flatten()
            pixels = train_ids_HW == label.train_id
            if len(of_class) and pixels.any():
                distance_PK = torch.cdist(vote_2HW[:, pixels].T, centre_K2[of_class])
                owner_HW[pixels] = of_class[distance_PK.argmin(dim=1)]
        confidence_HW = _confidence(semantic_Chw, stride, size)
        instances = self._instances(owner_HW, heat_K, label_index_K, confidence_HW)
        return Prediction(instances, self.label_set.train_id_to_id[train_ids_HW.cpu().numpy()])

    def centres(self, heat_Thw: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Find the peaks of the heat maps.

        Args:
            heat_Thw: (T, h, w) heat logits at stride 4.

        Returns:
            Heat (K,) in 0..1, index of the class (K,) and position (K, 2) (y, x in px) of every peak, the highest heat
            first.
        """
        probability = torch.sigmoid(heat_Thw.float())
        side = self.config.peak_cells
        best = F.max_pool2d(probability[None], side, stride=1, padding=side // 2)[0]
        cells = ((probability == best) & (probability > self.config.min_heat)).nonzero()
        heat = probability[cells[:, 0], cells[:, 1], cells[:, 2]]
        order = torch.argsort(heat, descending=True, stable=True)[: self.config.max_centres]
        return heat[order], cells[order, 0], (cells[order, 1:].float() + 0.5) * STRIDE_PX

    def _instances(self, owner_HW: Tensor, heat_K: Tensor, label_index_K: Tensor, confidence_HW: Tensor) -> Instances:
        """Make instances of the pixels of each centre; score = heat of the centre x mean confidence of its pixels."""
        owner = owner_HW.cpu().numpy()
        centres, _, boxes = segments(owner + 1)
        keep = centres > 0
        centres, boxes = centres[keep] - 1, boxes[keep]
        area = np.bincount(owner[owner >= 0], minlength=len(heat_K))
        total = np.bincount(owner[owner >= 0], confidence_HW.cpu().numpy()[owner >= 0], minlength=len(heat_K))
        scores = heat_K.cpu().numpy()[centres] * total[centres] / np.maximum(area[centres], 1)
        large = area[centres] >= self.config.min_area_px
        order = np.flatnonzero(large)[np.argsort(-scores[large], kind="stable")]
        masks = tuple(owner[y0:y1, x0:x1] == centres[n] for n in order for x0, y0, x1, y1 in [boxes[n]])
        labels = np.array([label.id for label in self.things])[label_index_K.cpu().numpy()[centres[order]]]
        return Instances(labels, scores[order], boxes[order], masks, owner.shape)


def votes(offset_2hw: Tensor) -> Tensor:
    """Compute the position of the centre that each pixel votes for, interpolated between cells (bilinear).

    Args:
        offset_2hw: (2, h, w) dy and dx in px from each cell's centre to the centre of its instance.

    Returns:
        (2, H, W) y and x in px.

    >>> votes(torch.full((2, 2, 3), 6.0))[:, 0, 0].tolist()  # cell (0, 0) has its centre at (2, 2)
    [8.0, 8.0]
    """
    y = torch.from_numpy(cell_centres_px(offset_2hw.shape[1], STRIDE_PX)).to(offset_2hw.device)
    x = torch.from_numpy(cell_centres_px(offset_2hw.shape[2], STRIDE_PX)).to(offset_2hw.device)
    place_2hw = torch.stack(torch.meshgrid(y, x, indexing="ij")) + offset_2hw.float()
    return F.interpolate(place_2hw[None], scale_factor=STRIDE_PX, mode="bilinear")[0]


def _confidence(semantic_Chw: Tensor, stride: int, size: tuple[int, int]) -> Tensor:
    """Return the probability of the most likely class at each pixel, (H, W), from the nearest cell."""
    best = torch.softmax(semantic_Chw.float(), dim=0).max(dim=0).values
    return best.repeat_interleave(stride, dim=0).repeat_interleave(stride, dim=1)[: size[0], : size[1]]
