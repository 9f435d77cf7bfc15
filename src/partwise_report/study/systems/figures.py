"""Every figure of the report, of whatever a study has trained so far."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from partwise.data.streets import Streets
from partwise.report.curves import draw_curves, read_metrics
from partwise.report.page import Picture
from partwise.scene import Scene
from partwise.training.folder import RunFolder
from partwise_report.study.look import middle_of
from partwise_report.study.pictures.architecture import fcn_figure, instance_fcn_figure, slice_figure
from partwise_report.study.pictures.network_figures import maps_of, parts_of_one, rank_maps, semantic_maps, told_apart
from partwise_report.study.pictures.truth_figures import ordering_truth, task, window_truth
from partwise_report.study.systems.record import Record
from partwise_report.study.systems.runner import EARLY, Study
from partwise_report.study.systems.variants import ORDERS
from partwise_report.study.windows import objects_of

RENDERED_SIZE, RENDERED_SEED, CANDIDATES = (256, 512), 2017, 8
# Figure of the report -> variant and moment of its part maps.
PART_MAPS = {
    "2.11": ("parts_report_1", "late"),
    "2.12": ("parts_report_2", "late"),
    "2.13": ("parts_report_3", "early"),
    "2.14": ("parts_report_3", "late"),
}
TEST_IMAGES = "leftImg8bit/test"  # of figure 2.3; their truth is not public
RANKS = {"2.6": "ordering_slice", "2.7": "ordering_full"}
# Not in the report: the code as it was committed, what each of its two worst slips does alone, and what works.
BEYOND = ("report_2_committed", "report_3_committed", "all_corrected", "parts_paper", "zero_start", "working")
LOSS = "parts_report_3"  # figure 2.15
CORRECTED_ORDERS = tuple(variant.name for variant in ORDERS)
TOLD_APART = (*RANKS.values(), *CORRECTED_ORDERS)


def report_figures(records: Sequence[Record], study: Study, rendered: bool) -> list[Picture]:
    """The report's figures in their order, those of systems that were not trained left out.

    rendered   show rendered streets instead of frames of the data
    """
    training, shown = figure_scenes(study, rendered)
    trained = {record.name for record in records}
    folder = {name: study.folder(name) for name in trained}
    made: list[Picture | None] = [task(shown), fcn_figure()]
    if "fcn8s" in trained:
        scenes = {"training": training, "validation": shown}
        made.append(semantic_maps(folder["fcn8s"].last, scenes, test_image(study, rendered)))
    made += [ordering_truth(shown), slice_figure()]
    for number, name in RANKS.items():
        if name in trained:
            made.append(rank_maps(name, number, _moments(folder[name]), shown))
    if "working" in trained:
        made.append(parts_of_one("working", folder["working"].last, shown))
    made += [instance_fcn_figure(), window_truth(shown)]
    for number, (name, moment) in PART_MAPS.items():
        if name in trained:
            made.append(maps_of(name, f"Figure {number}", moment, _moments(folder[name])[moment], shown))
    if LOSS in trained:
        made.append((f"Figure 2.15: the loss of {LOSS}.", draw_curves(read_metrics(folder[LOSS].metrics))))
    for name in BEYOND:
        if name in trained:
            made.append(maps_of(name, "Beyond the report", "late", folder[name].last, shown))
    orders = {name: folder[name].last for name in TOLD_APART if name in trained}
    if orders.keys() & set(CORRECTED_ORDERS):
        made.append(told_apart(orders, shown))
    return [picture for picture in made if picture is not None]


def figure_scenes(study: Study, rendered: bool) -> tuple[Scene, Scene]:
    """A training and a validation scene with many cars, cut to the study's view; or two rendered ones."""
    if rendered:
        scenes = list(Streets(2 * CANDIDATES, RENDERED_SIZE, RENDERED_SEED))
        return _busiest(scenes.__getitem__, range(CANDIDATES)), _busiest(scenes.__getitem__, range(CANDIDATES, 16))
    looked_at = study.looked_at()
    training = type(looked_at)(study.data.scenes(), study.view)
    spread = np.linspace(0, len(training) - 1, min(CANDIDATES, len(training))).astype(int).tolist()
    return _busiest(training.__getitem__, spread), _busiest(looked_at.__getitem__, range(min(16, len(looked_at))))


def test_image(study: Study, rendered: bool) -> np.ndarray | None:
    """(H, W, 3) uint8 RGB: the middle image of the split "test", cut to the study's view, or one more rendered street.

    Returns:
        None where the data have no images of a test split, or have them in a zip.
    """
    if rendered:
        return Streets(2 * CANDIDATES + 1, RENDERED_SIZE, RENDERED_SEED)[2 * CANDIDATES].image_HW3
    files = sorted((study.data.source.root / TEST_IMAGES).rglob("*_leftImg8bit.*"))
    if not files:
        return None
    with Image.open(files[len(files) // 2]) as image:
        image_HW3 = np.array(image.convert("RGB"))
    return image_HW3[middle_of(image.size[::-1], study.view)]


def _busiest(scene_at: Callable[[int], Scene], places: Iterable[int]) -> Scene:
    return max((scene_at(place) for place in places), key=lambda scene: len(objects_of(scene)))


def _moments(folder: RunFolder) -> dict[str, Path]:
    return {"early": folder.kept(EARLY), "late": folder.last}
