"""The settings of the decoder of part maps."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from partwise.fields import Count, NotNegative, Share, configuration
from partwise.methods.options import MAX_SCALE


@configuration
class DecodeConfig:
    """How an image is seen and how outputs become instances.

    Attributes:
        scale: The network sees an image so many times as large unless the caller says otherwise, see `seen_sizes`.
        min_objectness: Only windows with an objectness above it are assembled, 0..1.
        peaks: Only windows with at least this share of the highest objectness among their cell and its 8 neighbours are
            assembled: 1 for maxima alone, which loses people in a crowd; 0 for all above `min_objectness`.
        max_windows: At most so many windows are assembled, those with the highest objectness.
        class_share: A window stands for every class with at least this share of the votes of its mask, and for the one
            with the highest share.
        quality_power: Exponent of the mask's quality in the score, see `assemble.list_candidates`: a mask that is
            certain of its cells says more than objectness.
        refined_power: Exponent of the quality of a refined mask in the score that the instance then gets, see
            `decoding.score.RefinedScore`.
        soft_sigma: If a mask of the same class with a higher score overlaps a refined mask, the instance keeps
            exp(-IoU^2 / soft_sigma) of its score (Soft-NMS, Bodla et al. 2017); 0 for no such penalty.
        sharpen: Weight of the semantic map's log-odds that are added to the mask's; 0 keeps the assembled mask. They
            are those of all classes of a category that the window stands for: that a bus might be a truck is no reason
            to cut it.
        refine_score: Instances with at least this score are refined, if the network has learnt to; above 1 none is.
        agree_score: Pixels in an instance with at least this score take its class in the semantic map, if the map has
            another class of the same category there and is uncertain; above 1 leaves the map as it is.
        nms_iou: Of two masks of one class whose IoU is above it, the one with the higher score is kept.
        max_instances: At most so many instances are kept.
        min_score: Only candidates with a score above it are kept. Refinement may lower the score afterwards.
    """

    scale: Annotated[float, Field(gt=0, le=MAX_SCALE)] = 1.0
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
