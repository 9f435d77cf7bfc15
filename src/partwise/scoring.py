"""One call for everything that can be scored: a model or a folder of result files, against a Cityscapes tree."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from partwise.data.cityscapes import CityscapesFolder
from partwise.errors import PartwiseError
from partwise.evaluation.compare import RECORDS_KEY, records_of
from partwise.evaluation.distance import find_depth
from partwise.evaluation.evaluator import CityscapesEvaluator
from partwise.evaluation.model import EvenlySpaced, evaluate_method, require_instances
from partwise.evaluation.submission import evaluate_folder
from partwise.evaluation.truth import TruthFolder
from partwise.segmenter import load

BOOTSTRAP_DRAWS = 1000


def score(
    data: Path,
    split: str,
    *,
    model: str | None = None,
    predictions: Path | None = None,
    frames: int = 0,
    full: bool = False,
    workers: int = 1,
    device: str = "cpu",
    precision: str = "no",
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> dict:
    """Figures of a model (the bundled one where neither is given) or of result files, with how they were made.

    frames    at most so many, evenly spaced; 0: all
    full      also boundary AP, panoptic quality, COCO AP and bootstrap intervals
    workers   processes that read result files
    returns   `CityscapesEvaluator.compute()`, "records" (what `compare` needs of each image) and "circumstances"

    Raises PartwiseError for anything that is wrong with data, model or result files.
    """
    if model is not None and predictions is not None:
        raise PartwiseError("both --model and --predictions given: score one of them at a time")
    if frames < 0 or workers < 1:
        raise PartwiseError(f"--frames {frames} --workers {workers}: give frames from 0 (all) and workers from 1 on")
    # Result files need no image, and decoding one takes longer than everything else together.
    read = CityscapesFolder if predictions is None else TruthFolder
    scenes = EvenlySpaced(read(data, split), frames)
    extras = {"boundary": True, "panoptic": True, "coco": True, "draws": BOOTSTRAP_DRAWS} if full else {}
    evaluator = CityscapesEvaluator(**extras)
    circumstances = {"data": data.resolve().name, "split": split}
    depth = partial(find_depth, data, split)
    if predictions is not None:
        figures = evaluate_folder(predictions, scenes, evaluator, workers=workers, depth=depth, progress=progress)
        circumstances["predictions"] = predictions.resolve().name
    else:
        segment = load(model, device=device, precision=precision)
        if segment.method.has_instances:
            require_instances(scenes, f"{data}, split {split}")
        how = {"device": segment.device, "precision": precision}
        figures = evaluate_method(segment.method, scenes, evaluator, depth=depth, progress=progress, **how)
        circumstances |= {"model": segment.info.origin, **how}
    return figures | {RECORDS_KEY: records_of(evaluator), "circumstances": circumstances}
