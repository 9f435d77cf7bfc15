"""The metrics that are available: the own ones, in the order of their scores, and those of other packages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from streeteval.errors import InputError
from streeteval.metrics.coco import CocoScores
from streeteval.metrics.instance import InstanceScores
from streeteval.metrics.metric import Metric
from streeteval.metrics.occlusion import OcclusionScores
from streeteval.metrics.panoptic import PanopticScores
from streeteval.metrics.pixel import PixelScores
from streeteval.plugins import Plugins

__all__ = ["METRICS", "OWN_METRICS", "OWN_RECORD_KEYS", "SETTING_OF", "find_metric", "require_free_names"]

OWN_METRICS: dict[str, type[Metric[Any]]] = {
    metric.name: metric for metric in (PixelScores, InstanceScores, CocoScores, OcclusionScores, PanopticScores)
}
METRICS: Plugins[type[Metric[Any]]] = Plugins("streeteval.metrics", OWN_METRICS, "metric", also="partwise.metrics")
# Metric -> setting of the evaluator that adds it.
SETTING_OF = {CocoScores.name: "coco", OcclusionScores.name: "by_occlusion", PanopticScores.name: "panoptic"}
OWN_RECORD_KEYS = (PixelScores.record_key, InstanceScores.record_key, PanopticScores.record_key)

# Keys that the scores, their JSON file or the record of an image have already.
_TAKEN = {"images", "settings", "intervals", "seconds", "records", "circumstances", "warnings", *OWN_METRICS}
_TAKEN |= {"truth_crc32", *OWN_RECORD_KEYS}


def find_metric(name: str) -> type[Metric[Any]]:
    """Return the class of a metric by the name that its package announces.

    Raises:
        InputError: If there is none of this name, or its class has another name.
    """
    metric = METRICS.find(name)
    if metric.name != name:
        raise InputError(
            f"metric {name!r} calls itself {metric.name!r}: give its entry point and its attribute `name` one name"
        )
    return metric


def require_free_names(metrics: Sequence[Metric[Any]]) -> None:
    """Check that the metrics of other packages have names of their own.

    Raises:
        InputError: If two metrics have one name, or a name is taken or no identifier.
    """
    names = [metric.name for metric in metrics]
    for name in names:
        if name in _TAKEN or not name.isidentifier():
            raise InputError(
                f"metric {name!r}: the scores have this key already, or it is no identifier: give it another name"
            )
        if names.count(name) > 1:
            raise InputError(f"metric {name!r} is given twice: give it once")
