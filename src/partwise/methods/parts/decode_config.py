"""The settings of the decoder of part maps."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class DecodeConfig:
    """How an image is seen and outputs become instances.

    scale            the network sees an image so many times as large where nothing else is said, see `seen_sizes`
    min_objectness   windows below it are not assembled
    peaks            only windows of at least this share of the best objectness among their cell and its 8 neighbours:
                     1 for maxima alone, which loses people in a crowd; 0 for all above min_objectness
    max_windows      at most so many, the best by objectness, are assembled
    class_share      a window stands for every class with at least this share of the votes of its mask, and for the best
    quality_power    of the quality of the mask in the score, see `measure`: a sharp mask says more than objectness
    refined_power    of the quality of a refined mask in the score that it gets then, see Refined
    soft_sigma       a refined mask that a surer one of its class overlaps keeps exp(-IoU^2 / soft_sigma) of its score
                     (Soft-NMS, Bodla et al. 2017); 0 keeps all
    sharpen          the weight of the semantic map's log-odds added to the mask's; 0 keeps the assembled mask. They are
                     those of all classes of a category that the window stands for: that a bus might be a truck is no
                     reason to cut it
    refine_score     instances of at least this score are refined, where the network has been taught to; above 1 none,
                     so that all stay as the semantic map sharpens them
    agree_score      pixels in an instance of at least this score take its class in the semantic map, where that had
                     another of its category and was not sure; above 1 leaves the map as it is
    nms_iou          of two masks of one class that overlap more, the surer stays
    max_instances    at most so many are returned
    min_score        surer ones only, before they are refined
    """

    scale: float = 1.0
    min_objectness: float = 0.05
    peaks: float = 0.9
    max_windows: int = 300
    class_share: float = 0.05
    quality_power: float = 4.0
    refined_power: float = 3.0
    soft_sigma: float = 0.2
    sharpen: float = 0.25
    refine_score: float = 0.01
    agree_score: float = 0.1
    nms_iou: float = 0.5
    max_instances: int = 100
    min_score: float = 0.001
