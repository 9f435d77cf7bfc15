"""The settings of the decoder of part maps."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from partwise.fields import Count, CountOrZero, NotNegative, Share, configuration
from partwise.methods.options import MAX_SCALE


@configuration
class DecodeConfig:
    """The settings of the decoder of part maps.

    Attributes:
        scale: The network sees an image this many times as large unless the caller gives another scale, see
            `seen_sizes`.
        view_px: The network sees an image with at most this many pixels, unless the caller gives a scale; 0 for no
            limit. A larger photo usually shows larger objects rather than more of them.
        min_objectness: Only windows with an objectness above it are assembled, 0..1.
        peaks: Only windows whose objectness is at least this share of the highest objectness among their cell and its 8
            neighbours are assembled. 1 takes only maxima, which misses people in a crowd; 0 takes all windows above
            `min_objectness`.
        max_windows: The maximum number of windows that are assembled, those with the highest objectness.
        class_share: A window becomes a candidate for every class with at least this share of the votes of its mask, and
            for the class with the highest share, 0..1.
        quality_power: Exponent of the mask's quality in the score, see `assemble.list_candidates`. A mask whose cells
            are certain says more about an instance than objectness does.
        refined_power: Exponent of the quality of a refined mask in the final score, see `decoding.score.RefinedScore`.
        soft_sigma: If a refined mask overlaps a mask of the same class with a higher score, its score is multiplied by
            exp(-IoU^2 / soft_sigma) (Soft-NMS, Bodla et al. 2017); 0 for no penalty.
        sharpen: Weight of the semantic map's log-odds that are added to those of the mask; 0 keeps the assembled mask.
            The log-odds are those of all classes of a category that the window is a candidate for, so that a bus that
            might be a truck is not cut.
        refine_score: Instances with at least this score are refined, if the network has a mask refiner; above 1 refines
            none.
        agree_score: Instances with at least this score change the semantic map: a pixel inside them takes their class
            if the map has another class of the same category there and is uncertain. Above 1 the map never changes.
        nms_iou: Of two masks of one class whose IoU is above it, the one with the higher score is kept, 0..1.
        max_instances: The maximum number of instances that are kept.
        min_score: Only candidates with a score above it are kept, 0..1. Refinement may lower the score afterwards.
    """

    scale: Annotated[float, Field(gt=0, le=MAX_SCALE)] = 1.0
    view_px: CountOrZero = 0
    min_objectness: Share = 0.05
    peaks: Share = 0.9
    max_windows: Count = 300
    class_share: Share = 0.05
    quality_power: NotNegative = 4.0
    refined_power: NotNegative = 3.0
    soft_sigma: NotNegative = 0.2
    sharpen: NotNegative = 0.25
    refine_score: NotNegative = 0.01
    agree_score: NotNegative = 0.1
    nms_iou: Share = 0.5
    max_instances: Annotated[int, Field(ge=1, le=1000)] = 100
    min_score: Share = 0.001
