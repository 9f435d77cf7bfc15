"""The whole workflow on rendered streets: data, training, evaluation, prediction, and a page that shows the results."""

from __future__ import annotations

import functools
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np

from partwise.data.cityscapes import CityscapesFolder
from partwise.data.streets import Streets, render_dataset
from partwise.errors import PartwiseError
from partwise.evaluation.model import evaluate_method
from partwise.files import atomic_write, require_replaceable, write_json
from partwise.folder_lock import FolderLock
from partwise.model_files import MODELS
from partwise.recipes import recipe
from partwise.report.explained import shown_explanation
from partwise.report.overlay import draw_overlay
from partwise.report.page import write_report
from partwise.report.panels import draw_comparison
from partwise.scene import Scene
from partwise.segmenter import SHOWN_SCORE, Segmenter, load
from partwise.training.loop import Monitor, train
from partwise.training.record import describe
from streeteval.evaluator import CityscapesEvaluator
from streeteval.folders import files_below

TRAIN_SCENES, VAL_SCENES, UNSEEN_SCENES = 200, 24, 4
SIZE = (256, 512)
MARK = ".partwise-demo"  # a demo may remove the folders of an earlier demo beside this file
FILES = {  # folder that a demo makes -> pattern of the names of all files in it
    "streets": re.compile(r"street_\d+_\d+_(leftImg8bit|gtFine_labelIds|gtFine_instanceIds)\.png"),
    "run": re.compile(r"(run\.json|metrics\.jsonl|state\.pt|classes\.npy|lock|(last|best|at_\d+)\.safetensors)"),
    "predict": re.compile(r"street_\d+_\d+(_overlay\.png|_labelIds\.png|_instanceIds\.png|\.json)"),
}
BUNDLED_SCENES, BUNDLED_SIZE = 8, (512, 1024)  # scenes for the bundled model: their number, and (H, W) in pixels


def run_demo(out: Path, minutes: float, seed: int, monitor: Monitor) -> Path:
    """Render streets, train on them, evaluate, predict, and write a page with the results.

    An earlier demo in `out` is replaced.

    Args:
        out: Folder for everything: streets/ (the data set), run/ (the run, with best.safetensors), predict/ (results
            for unseen scenes), evaluation.json and report.html.
        minutes: Length of the training in minutes.
        seed: Another seed gives other scenes and another network.
        monitor: Receives notes and progress.

    Returns:
        The path of report.html.

    Raises:
        PartwiseError: If another demo is running in `out`, or `out` holds files that no demo wrote.
    """
    before = _made_before(out)
    with FolderLock(out).held(monitor.note):
        _remove(before)
        return _run(out, minutes, seed, monitor)


def _run(out: Path, minutes: float, seed: int, monitor: Monitor) -> Path:
    with atomic_write(out / MARK, "w", overwrite=True) as file:
        file.write("partwise demo made streets, run and predict beside this file, and will make them again\n")
    data, run = out / "streets", out / "run"
    monitor.note(f"rendering {TRAIN_SCENES + VAL_SCENES} street scenes to {data}")
    counts = {"train": TRAIN_SCENES, "val": VAL_SCENES}
    render_dataset(data, counts, SIZE, seed, progress=functools.partial(monitor.count, "rendering"))
    chosen = recipe("demo")
    chosen = replace(chosen, training=replace(chosen.training, steps=0, minutes=minutes, seed=seed))
    monitor.note(f"training {chosen.name} for {minutes:g} minutes")
    method = train(chosen, CityscapesFolder(data, "train"), run, monitor, data_name="rendered streets")
    val = CityscapesFolder(data, "val")
    monitor.note(f"evaluating {len(val)} scenes")
    evaluating = functools.partial(monitor.count, "evaluating")
    figures = evaluate_method(method, val, CityscapesEvaluator(val.label_set), progress=evaluating)
    write_json(out / "evaluation.json", figures)
    monitor.note(describe(figures))
    monitor.count("predicting and drawing", 0, 0)
    small = load(run)
    unseen = Streets(UNSEEN_SCENES, SIZE, seed + 1_000_003)
    results = [small(scene.image_HW3, min_score=SHOWN_SCORE, distinct=True, name=scene.name) for scene in unseen]
    for result in results:
        result.save(out / "predict")
    comparisons = [_compare(small, val[i]) for i in range(2)]
    predictions = [
        (f"{scene.name}: {len(result)} instances", draw_overlay(scene.image_HW3, result.prediction))
        for scene, result in zip(unseen, results, strict=True)
    ]
    bundled, bundled_figures = _bundled_on_unseen(seed, monitor)
    origin = small.info.origin
    return write_report(
        out / "report.html",
        title="partwise demo: instances out of rendered streets",
        lead="A small network was trained on rendered street scenes and scored on others, all on this machine.",
        summary={
            "recipe": origin["recipe"],
            "data": f"{TRAIN_SCENES} rendered scenes of {SIZE[1]}x{SIZE[0]}, {VAL_SCENES} others for validation",
            "seed": seed,
            "steps": origin["steps"],
            "minutes": origin["minutes"],
            "started from": origin["weights"],
            "bundled model, on larger unseen scenes": bundled_figures,
        },
        caveats=[
            "Rendered scenes are easier than real ones: these figures say that the program works, not how well it "
            "does on photos. docs/models.md has the figures on real frames."
        ],
        metrics=run / "metrics.jsonl",
        evaluation=figures,
        comparisons=comparisons,
        predictions=predictions,
        figures=bundled,
    )


def _made_before(out: Path) -> list[Path]:
    """Find the folders that an earlier demo made in `out`.

    Raises:
        PartwiseError: If `out` is a file, or a file that would be removed or replaced was not written by a demo.
    """
    if out.exists() and not out.is_dir():
        raise PartwiseError(f"{out}: this is a file: give a folder for the demo")
    for file in (out / "evaluation.json", out / "report.html"):
        require_replaceable(file)
    folders = [folder for name in FILES if (folder := out / name).exists()]
    for folder in folders:
        if not (out / MARK).is_file():
            raise PartwiseError(f"{folder}: no demo wrote this: give another folder, or move it away")
        for file in files_below(folder)[0]:
            if not FILES[folder.name].fullmatch(file.name):
                raise PartwiseError(f"{file}: no demo wrote this, and its folder is to be removed: move the file away")
    return folders


def _remove(folders: list[Path]) -> None:
    """Remove the folders.

    Raises:
        PartwiseError: If one cannot be removed.
    """
    for folder in folders:
        try:
            shutil.rmtree(folder)
        except OSError as error:
            raise PartwiseError(f"{folder}: cannot be removed ({error.strerror or error}): remove it by hand") from None


def _compare(segmenter: Segmenter, scene: Scene) -> tuple[str, np.ndarray]:
    result = segmenter(scene.image_HW3, min_score=SHOWN_SCORE, distinct=True)
    caption = f"{scene.name}: {len(scene.instances)} instances in the truth, {len(result)} found"
    return caption, draw_comparison(scene, result.prediction)


def _bundled_on_unseen(seed: int, monitor: Monitor) -> tuple[list[tuple[str, np.ndarray]], str | None]:
    """Pictures of the bundled model on scenes that no training used, and its figures in words."""
    if "streets" not in MODELS:
        return [], None
    monitor.note("running the bundled model on scenes it has not seen")
    running = functools.partial(monitor.count, "running the bundled model")
    model = load()
    scenes = Streets(BUNDLED_SCENES, BUNDLED_SIZE, seed + 2_000_003)
    figures = evaluate_method(model.method, scenes, CityscapesEvaluator(), progress=running)
    images = [scenes[0].image_HW3, scenes[1].image_HW3]
    results = [model(image, min_score=SHOWN_SCORE, distinct=True) for image in images]
    pictures = [
        (f"bundled model: {len(result)} instances", draw_overlay(image, result.prediction))
        for image, result in zip(images, results, strict=True)
    ]
    if len(results[0]):
        seen, explanation = model.seen(images[0]), model.explain(images[0])
        _, explained = shown_explanation(explanation, seen, model.method, SHOWN_SCORE)
        pictures.append(("bundled model: why its instance with the highest score is one (partwise explain)", explained))
    return pictures, describe(figures)
