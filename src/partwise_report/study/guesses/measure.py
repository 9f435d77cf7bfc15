"""What a network on stored features says of frames, in figures that can be compared between variants and seeds.

Axes: N frames, B bootstrap draws of frames.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeGuard, cast

import numpy as np
import torch

from partwise.methods import Method
from partwise.methods.method import Outputs
from partwise.scene import Scene
from partwise_report.features import StoredFrames
from partwise_report.ordering import Ordering
from partwise_report.ordering.measures import PlaceRanks, unseen_order
from partwise_report.study.guesses.heads import show
from partwise_report.study.guesses.marks import PlacePrior, window_aucs
from partwise_report.study.guesses.semantic import OneInstanceMark
from partwise_report.study.probes import Shape, constant_ious, map_likeness, mask_iou, shape_of
from partwise_report.study.windows import CLASS_NAME, object_windows, objects_of, part_maps, parts_across
from streeteval.metrics.average_precision import class_table, instance_scores
from streeteval.metrics.bootstrap import draw_images
from streeteval.metrics.instance import InstanceScores
from streeteval.metrics.matching import EVERYWHERE
from streeteval.metrics.metric import Predicted, size_ranges

DRAWS, DRAWS_SEED = 400, 0  # of frames; the same for every variant, so that differences are paired
SIZES = size_ranges((32, 64, 128))  # of the longest side of a car, in pixels of the frame
SEMANTIC_AP = "car_ap_one"  # AP of cars of a network whose pixels of cars are taken as one instance
WHOLE_ALONE = ("auc_far", "prior_far")  # not given by size
DIGITS = 4
Figures = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Yardsticks:
    """What a network is held against, of other frames than those it is measured on.

    Attributes:
        prior: Where cars stand.
        ranks: The most frequent rank at every place, and one for the whole frame; None where no order is measured.
        view_px: Side of the square of the image that a pixel of the network sees, see `unseen_order`; 0 where no order
            is measured.
    """

    prior: PlacePrior
    ranks: tuple[PlaceRanks, PlaceRanks] | None = None
    view_px: int = 0


@dataclass
class _Rows:
    """What is gathered of all frames: one row a window, one value a frame."""

    windows: list[dict[str, float]] = field(default_factory=list)
    shapes: list[Shape] = field(default_factory=list)
    slots: list[int] = field(default_factory=list)
    frames: list[dict[str, float]] = field(default_factory=list)
    matches: list[Any] = field(default_factory=list)


@torch.inference_mode()
def measure(
    method: Method,
    frames: StoredFrames,
    yardsticks: Yardsticks,
    *,
    numbers: Sequence[int] | None = None,
    drawn: bool = True,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Figures:
    """Look at whole frames and compute every figure of cars.

    Args:
        method: With given maps, see `heads.build_heads`.
        frames: To look at.
        yardsticks: See there.
        numbers: Of the frames; None for all.
        drawn: Whether AP is also computed for every draw of frames.
        progress: Is told (frames done, frames).

    Returns:
        Figure -> {"mean", and "by_frame": (N,) or "draws": (B,)}. By frame: mask_iou, constant_iou, mask_above (their
        difference), auc_near, prior_near, each also by size ("mask_iou <32"); auc_far, prior_far, map_likeness; of
        networks of ranks order, order_constant, order_place, order_unseen (share of the cars whose rank depends on one
        that no pixel of theirs sees). By draws: car_ap, also by size, car_ap50, and if drawn car_ap_one, AP of the
        network's pixels of cars as one instance. NaN where a frame has no such car.
    """
    numbers = range(len(frames)) if numbers is None else numbers
    method.eval()
    metric, rows, one = InstanceScores(method.label_set), _Rows(), OneInstanceMark(method.label_set)
    for place, number in enumerate(numbers):
        scene = frames.scene(number)
        outputs = method(show(method, frames, number))
        prediction = method.decode(outputs, scene.size)[0].instances
        if method.has_instances:
            found = metric.observe(scene, Predicted(prediction))
            assert found is not None
            rows.matches.append(found[EVERYWHERE.name])
            if drawn:
                one.add(scene, prediction)
        _add_frame(rows, method, outputs, scene, yardsticks, place)
        progress(place + 1, len(numbers))
    made = _figures(rows, method, len(numbers), drawn)
    return made | {SEMANTIC_AP: one.figure(DRAWS, DRAWS_SEED)} if drawn and rows.matches else made


def _add_frame(rows: _Rows, method: Method, outputs: Outputs, scene: Scene, yardsticks: Yardsticks, place: int) -> None:
    objects, row = objects_of(scene), {}
    if maps := part_maps(outputs):
        row["map_likeness"] = float(np.mean([map_likeness(one) for one in maps]))
        for window in object_windows(method, outputs, objects):
            truth = objects.full_mask(window.n)
            figures = {"mask_iou": mask_iou(window.mask(scene.size), truth)}
            figures |= window_aucs(window, objects, yardsticks.prior)
            rows.windows.append(figures | {"frame": place, "side": float(objects.longest_sides[window.n])})
            rows.shapes.append(shape_of(window, truth, parts_across(method), place))
            rows.slots.append(window.slot)
    if says_ranks(method):
        row |= _order(method, outputs, scene, yardsticks)
    rows.frames.append(row)


def says_ranks(method: Method) -> TypeGuard[Ordering]:
    """Whether the maps of a network stand for ranks, and not for places, colours or other things."""
    return isinstance(method, Ordering) and method.noun == "rank"


def _order(method: Ordering, outputs: Outputs, scene: Scene, yardsticks: Yardsticks) -> dict[str, float]:
    """Shares of the pixels of cars whose rank is right, by the network and by what sees no image."""
    truth_HW = method.targets(scene)["ranks"].numpy()
    logits_RHW = outputs["ranks"][0, :, : scene.size[0], : scene.size[1]].float()
    shown = (truth_HW > 0) & (truth_HW < len(logits_RHW))
    said = logits_RHW[1:].argmax(dim=0).numpy()[shown] + 1
    row = {"order": float((said == truth_HW[shown]).mean()) if shown.any() else float("nan")}
    if yardsticks.ranks is not None:
        at_place, constant = yardsticks.ranks
        row |= {"order_place": at_place.share_right(truth_HW), "order_constant": constant.share_right(truth_HW)}
    if yardsticks.view_px:
        row["order_unseen"] = cast(float, unseen_order([scene], method, yardsticks.view_px)["share"])
    return row


def _figures(rows: _Rows, method: Method, frames: int, drawn: bool) -> Figures:
    made: Figures = {}
    if rows.windows:
        for row, constant in zip(rows.windows, constant_ious(rows.shapes, rows.slots), strict=True):
            row["constant_iou"], row["mask_above"] = float(constant), row["mask_iou"] - float(constant)
        for name in [name for name in rows.windows[0] if name not in ("frame", "side")]:
            for label, low, below in (("", 0.0, np.inf), *(() if name in WHOLE_ALONE else SIZES)):
                chosen = [row for row in rows.windows if low <= row["side"] < below]
                made[f"{name} {label}".rstrip()] = _by_frame([(int(r["frame"]), r[name]) for r in chosen], frames)
    for name in sorted({name for row in rows.frames for name in row}):
        made[name] = _by_frame([(n, row[name]) for n, row in enumerate(rows.frames) if name in row], frames)
    if rows.matches:
        car = next(label.id for label in method.label_set.things if label.name == CLASS_NAME)
        made |= dict(_drawn_aps(rows.matches, car, DRAWS if drawn else 0))
    return made


def _by_frame(values: Sequence[tuple[int, float]], frames: int) -> dict[str, Any]:
    """Mean over frames of the means over a frame's values."""
    by_frame: list[list[float]] = [[] for _ in range(frames)]
    for frame, value in values:
        if np.isfinite(value):
            by_frame[frame].append(value)
    means = np.array([np.mean(one) if one else np.nan for one in by_frame])
    mean = float(np.nanmean(means)) if np.isfinite(means).any() else float("nan")
    return {"mean": round(mean, 6), "by_frame": np.round(means, DIGITS)}


def _drawn_aps(matches: Sequence[Any], label: int, draws: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """AP of one class, for all sizes and for each: of all frames, and of every draw of frames."""
    weights_BN = draw_images(len(matches), draws, DRAWS_SEED)
    for size, low, below in (("", 0.0, np.inf), *SIZES):
        table = {CLASS_NAME: class_table(matches, label, sizes_px=(low, below))}
        whole = instance_scores(table)
        of_draws = [instance_scores(table, weights_N) for weights_N in weights_BN]
        for name, key in (("car_ap", "ap"), ("car_ap50", "ap50")):
            if name == "car_ap" or not size:
                values = np.round([one[key] for one in of_draws], DIGITS)
                yield f"{name} {size}".rstrip(), {"mean": round(whole[key], 6), "draws": values}
