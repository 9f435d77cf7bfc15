"""What a study keeps of a variant, and whether that counts as converged."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from partwise.methods import Method
from partwise.report.curves import read_metrics
from partwise.scene import Scenes
from partwise.training.checkpoint import load_model, read_model
from partwise.training.folder import RunFolder
from partwise_report.study.look import View, look
from partwise_report.study.probes import Probes
from partwise_report.study.systems.variants import Variant

WINDOW_SHARE, LEAST_WINDOW = 0.1, 5  # of the steps whose losses make the first and the last mean
LEAST_FALL = 0.2  # of the loss
LEAST_GAIN = {"car_ap": 0.005, "iou_class": 0.05}  # over the untrained network on the same frames
CRITERION = (
    f"converged: the loss, mean over the last tenth of the steps, is at least {LEAST_FALL:.0%} below that over the "
    f"first tenth, and AP of cars is at least {LEAST_GAIN['car_ap']} (IoU class at least {LEAST_GAIN['iou_class']}, "
    "where a system has no instances) above that of the network before its first step"
)


@dataclass
class Record:
    """What is kept of one trained variant; fractions of 1, None where a figure has no value.

    Attributes:
        steps, seconds: Of training.
        weights: What it started from, in words.
        loss_first, loss_last: Means over the first and the last tenth of the steps.
        moved: {"backbone", "rest"}: how far the weights came from where they began, as a share of their norm.
        scores: Of the evaluator: ap, ap50, ar (of 10, 100, 1000 proposals), car_ap, by_size, iou_class, iiou_class,
            iou_category, iiou_category, iou_by_class.
        probes, untrained: Of study/probes.py, after training and before the first step.
        untrained_scores: car_ap and iou_class before the first step.
        oracle: The probes of a network that says exactly its truth: what the representation allows.
        converged, why: By CRITERION.
    """

    name: str
    group: str
    recipe: str
    about: str
    overrides: list[str]
    start: str
    steps: int
    seconds: float
    weights: str
    loss_first: float
    loss_last: float
    moved: dict[str, float]
    scores: dict[str, Any]
    probes: dict[str, Any]
    untrained: dict[str, Any]
    untrained_scores: dict[str, Any]
    converged: bool = False
    why: str = ""
    oracle: dict[str, Any] = field(default_factory=dict)
    machine: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict:
        """As a dict for `write_json`."""
        return asdict(self)

    def probe(self, name: str, of: str = "probes") -> float:
        """The mean of one figure of "probes", "untrained" or "oracle", NaN where it has none."""
        value = (getattr(self, of).get(name) or {}).get("mean")
        return math.nan if value is None else float(value)

    def mark(self, name: str) -> float:
        """A mark that the probes are held against, such as "constant_order"; NaN where it has none."""
        value = self.probes.get(name)
        return math.nan if value is None else float(value)

    def blind(self, figure: str) -> float:
        """What a network reaches in "mask_iou" or "objectness_auc" that knows nothing of the image."""
        return {"mask_iou": self.mark("constant_maps_iou"), "objectness_auc": 0.5}[figure]

    def by_frame(self, name: str, of: str = "probes") -> np.ndarray:
        """One figure frame by frame, NaN where a frame has none."""
        values = (getattr(self, of).get(name) or {}).get("by_frame") or []
        return np.array([math.nan if value is None else value for value in values], float)


def make_record(
    variant: Variant,
    folder: RunFolder,
    scenes: Scenes,
    untrained_on: Scenes,
    progress: Callable[[str, int, int], None] = lambda what, done, total: None,
) -> Record:
    """The record of a finished run.

    Args:
        variant: That was trained.
        folder: Of its run.
        scenes: Those that the network was looked at on at its end, for what an oracle one would say.
        untrained_on: Those that it is looked at on as it was before its first step.
        progress: Is told (what, frames done, frames).
    """
    described, metrics = folder.described(), read_metrics(folder.metrics)
    figures = metrics.evaluations[-1][1]
    before = look(
        load_model(folder.kept(0.0))[0],
        untrained_on,
        functools.partial(progress, f"looking at {variant.name} before its first step"),
    )
    oracle = oracle_figures(
        load_model(folder.last)[0], scenes, functools.partial(progress, f"looking at an oracle {variant.name}")
    )
    first, last = loss_ends(metrics.losses)
    record = Record(
        name=variant.name,
        group=variant.group,
        recipe=variant.recipe,
        about=variant.about,
        overrides=list(variant.overrides),
        start=variant.start,
        steps=int(described["finished"]["steps"]),
        seconds=float(metrics.seconds[-1]),
        weights=described["origin"]["weights"],
        loss_first=first,
        loss_last=last,
        moved=movement(folder.kept(0.0), folder.last),
        scores=scores_of(figures),
        probes=figures["probes"],
        untrained=before["probes"],
        untrained_scores={key: scores_of(before)[key] for key in LEAST_GAIN},
        oracle=oracle,
        machine=described.get("machine", {}),
    )
    record.converged, record.why = judge(first, last, record.scores, record.untrained_scores)
    return record


def oracle_figures(
    method: Method,
    scenes: Scenes,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> dict[str, Any]:
    """The probes' figures of a network that says exactly the truth of these scenes."""
    probes = Probes()
    for i in range(len(scenes)):
        scene = scenes[i]
        height, width = (side // method.size_multiple * method.size_multiple for side in scene.size)
        cut = View([scene], (height, width))[0]
        probes.add(method, method.oracle([method.targets(cut)]), cut)
        progress(i + 1, len(scenes))
    return probes.figures()


def loss_ends(losses_S: np.ndarray) -> tuple[float, float]:
    """Means over the first and the last tenth of the losses, over five where a tenth is fewer.

    >>> loss_ends(np.array([4.0, 4.0, 2.0, 2.0]))
    (3.0, 3.0)
    """
    width = min(len(losses_S), max(LEAST_WINDOW, round(WINDOW_SHARE * len(losses_S))))
    return float(np.mean(losses_S[:width])), float(np.mean(losses_S[len(losses_S) - width :]))


def judge(first: float, last: float, scores: dict, untrained: dict) -> tuple[bool, str]:
    """Whether a training converged by CRITERION, and the two figures in words.

    >>> judge(2.0, 1.0, {"car_ap": 0.1, "iou_class": 0.3}, {"car_ap": 0.0, "iou_class": 0.0})
    (True, 'loss -50 %, car_ap 0.000 -> 0.100')
    """
    name = "car_ap" if scores.get("car_ap") is not None else "iou_class"
    fall = 1 - last / first if first > 0 else 0.0
    before, after = untrained.get(name) or 0.0, scores.get(name) or 0.0
    fell, gained = fall >= LEAST_FALL, after - before >= LEAST_GAIN[name]
    return bool(fell and gained), f"loss {-100 * fall:+.0f} %, {name} {before:.3f} -> {after:.3f}"


def scores_of(figures: dict) -> dict[str, Any]:
    """The scores that a record keeps of what the evaluator computes."""
    instance, semantic = figures.get("instance") or {}, figures.get("semantic") or {}
    per_class = instance.get("per_class") or {}
    kept = {key: instance.get(key) for key in ("ap", "ap50", "ar")}
    kept["car_ap"] = (per_class.get("car") or {}).get("ap")
    kept["by_size"] = {name: aps["ap"] for name, aps in (instance.get("by_size") or {}).items()}
    kept |= {key: semantic.get(key) for key in ("iou_class", "iiou_class", "iou_category", "iiou_category")}
    kept["iou_by_class"] = {name: row["iou"] for name, row in (semantic.get("per_class") or {}).items()}
    return kept


def movement(before: Path, after: Path) -> dict[str, float]:
    """Distance of the weights of two model files, backbone and rest, each divided by the norm of the first."""
    (old, _), (new, _) = read_model(before), read_model(after)
    moved = {}
    for part, own in (("backbone", True), ("rest", False)):
        names = [name for name in old if name.startswith("backbone.") == own and old[name].is_floating_point()]
        distance, norm = (
            math.sqrt(sum(float(torch.sum(tensor.double() ** 2)) for tensor in tensors))
            for tensors in ([new[name] - old[name] for name in names], [old[name] for name in names])
        )
        moved[part] = distance / norm if norm else 0.0
    return moved
