"""cityscapesScripts 2.3.0 on temporary files: the numbers that ours must equal.

The official tool runs unchanged but for three faults, each worked around here and nowhere else: np.in1d is gone from
NumPy 2.4; the instance tool writes matches.json into the working folder and caches truth inside site-packages (we call
its functions one by one instead); and it dies with an IndexError on a class whose predictions are all ignored, where
its definition says 0 (truth, no accepted prediction).
"""

import copy
import math
import warnings
from pathlib import Path
from unittest import mock

import cityscapesscripts.evaluation.evalInstanceLevelSemanticLabeling as official_instance  # noqa: N813
import cityscapesscripts.evaluation.evalPixelLevelSemanticLabeling as official_pixel  # noqa: N813
import numpy as np
from PIL import Image

from partwise.scene import Scene
from streeteval.instances import Instances

NUMPY_FAULT = mock.patch.object(np, "in1d", np.isin, create=True)


def write_truth(folder: Path, scene: Scene) -> tuple[Path, Path]:
    """Write labelIds and instanceIds as published; (labelIds, instanceIds)."""
    labels, ids = (folder / f"{scene.name}_gtFine_{what}.png" for what in ("labelIds", "instanceIds"))
    Image.fromarray(scene.semantic_HW).save(labels, compress_level=0)
    Image.fromarray(scene.instance_ids_HW.astype(np.uint16)).save(ids, compress_level=0)
    return labels, ids


def official_pixel_scores(folder: Path, scenes: list[Scene], predicted: list[np.ndarray]) -> dict:
    """The official result, as it comes."""
    folder.mkdir(parents=True, exist_ok=True)
    truth, files = [], []
    for scene, semantic_HW in zip(scenes, predicted, strict=True):
        truth.append(str(write_truth(folder, scene)[0]))
        files.append(str(folder / f"{scene.name}_pred_labels.png"))
        Image.fromarray(semantic_HW.astype(np.uint8)).save(files[-1], compress_level=0)
    args = copy.copy(official_pixel.args)
    args.quiet, args.JSONOutput = True, False
    with NUMPY_FAULT:
        return official_pixel.evaluateImgLists(files, truth, args)


def official_instance_scores(folder: Path, scenes: list[Scene], predicted: list[Instances]) -> tuple[dict, bool]:
    """(the official averages, whether the official tool would have crashed)."""
    folder.mkdir(parents=True, exist_ok=True)
    truth, files = [], []
    for scene, instances in zip(scenes, predicted, strict=True):
        truth.append(str(write_truth(folder, scene)[1]))
        files.append(str(write_prediction(folder, scene.name, instances)))
    return score_files(folder, truth, files)


def write_prediction(folder: Path, name: str, instances: Instances) -> Path:
    lines = []
    for i in range(len(instances)):
        mask = f"{name}_{i}.png"
        Image.fromarray(instances.full_mask(i).astype(np.uint8) * 255).save(folder / mask, compress_level=1)
        lines.append(f"{mask} {instances.labels[i]} {float(instances.scores[i])!r}\n")
    path = folder / f"{name}.txt"
    path.write_text("".join(lines))
    return path


def score_files(
    folder: Path, truth: list[str], files: list[str], depths: list[np.ndarray] | None = None
) -> tuple[dict, bool]:
    """Run the official functions one by one; with depths (H, W) in metres also for AP100m and AP50m."""
    args = copy.copy(official_instance.args)
    args.quiet, args.predictionPath = True, str(folder.resolve())
    args.distanceAvailable = depths is not None
    official_instance.setInstanceLabels(args)
    with NUMPY_FAULT, warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # the mean of no number is NaN, as it should be
        known = official_instance.instances2dict(truth, False)
        for path, depth_HW in zip(truth, depths or [], strict=False):
            _add_distances(known[path], np.asarray(Image.open(path)), depth_HW)
        matches = official_instance.matchGtWithPreds(files, truth, known, args)
        aps, crashed = _aps(matches, args)
        return official_instance.computeAverages(aps, args), crashed


def _add_distances(known: dict, ids_HW: np.ndarray, depth_HW: np.ndarray) -> None:
    """What the official tool would read from a file: median distance and share of pixels with a distance."""
    for instance in (instance for instances in known.values() for instance in instances):
        depths = depth_HW[ids_HW == instance["instID"]]
        instance["distConf"] = float((~np.isnan(depths)).mean())
        instance["medDist"] = float(np.nanmedian(depths)) if instance["distConf"] else math.inf


def _aps(matches: dict, args) -> tuple[np.ndarray, bool]:
    """The official APs by distance, class, overlap, asked for one by one if the tool crashes on the whole."""
    try:
        return official_instance.evaluateMatches(matches, args), False
    except IndexError:
        pass
    distances = len(args.distanceThs) if args.distanceAvailable else 1
    aps = np.zeros((distances, len(args.instLabels), len(args.overlaps)))
    for d, c, o in np.ndindex(*aps.shape):
        one = copy.copy(args)
        one.instLabels, one.overlaps = [args.instLabels[c]], args.overlaps[o : o + 1]
        for name in ("minRegionSizes", "distanceThs", "distanceConfs"):
            setattr(one, name, getattr(args, name)[d : d + 1])
        try:
            aps[d, c, o] = official_instance.evaluateMatches(matches, one)[0, 0, 0]
        except IndexError:
            aps[d, c, o] = 0.0  # truth, but no prediction that counts
    return aps, True


def same(ours: float | None, official: float) -> bool:
    """Equal within 1e-9; our None is their NaN."""
    return math.isnan(official) if ours is None else math.isclose(ours, float(official), rel_tol=0, abs_tol=1e-9)
