"""Scores: Cityscapes IoU, iIoU and AP as the benchmark defines them, and what else there is to ask of a result."""

from streeteval.metrics.metric import Detail, Metric, Predicted

__all__ = ["Detail", "Metric", "Predicted"]
