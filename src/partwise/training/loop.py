"""Train a recipe. The result depends only on recipe, data and seed; resuming an interrupted run does not change it.

On a GPU this holds up to rounding: sums there have no fixed order.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator

from partwise.backbones.fold import fold_batch_norm
from partwise.backbones.on_device import on_device
from partwise.class_map import ClassNames
from partwise.data.loader import Draws, TrainingSamples, training_batches
from partwise.errors import PartwiseError
from partwise.methods import Method, build_method
from partwise.methods.distil import check_teacher
from partwise.methods.method import require_mirrorable
from partwise.model_info import joined_terms
from partwise.scene import Scenes
from partwise.training.config import Recipe, check_recipe
from partwise.training.crops import check_crop
from partwise.training.folder import RunFolder
from partwise.training.learner import Learner
from partwise.training.processes import lost_process, start_accelerator
from partwise.training.run import Monitor, Run
from partwise.training.start import start_weights
from partwise.training.stopping import Stopped
from streeteval.errors import in_one_line
from streeteval.machine import is_out_of_memory
from streeteval.scene import labels_of

__all__ = ["Monitor", "train"]


def train(
    recipe: Recipe,
    scenes: Scenes,
    out: Path,
    monitor: Monitor,
    *,
    data_name: str,
    evaluate: Callable[[Method], dict] | None = None,
    rendered: Scenes | None = None,
    weights: Sequence[str] = (),
    class_names: ClassNames | None = None,
    teacher: Method | None = None,
    teacher_terms: str = "",
    resume: bool = False,
) -> Method:
    """Train a recipe, and return the network.

    Args:
        recipe: The whole configuration.
        scenes: The training data.
        out: The folder of the run, see `RunFolder`.
        monitor: The observer.
        data_name: Name of the data, which model files store.
        evaluate: Scores a network; its figures decide which checkpoint is the best. None for no evaluation.
        rendered: Scenes that are mixed in, see `DataConfig.rendered_share`.
        weights: Model files to start from, or weights of the backbone, see `start_weights`.
        class_names: Which classes of a model of other classes stand for those of the data, see `ClassMap.between`.
        teacher: A trained network to learn from in addition to the truth, see `Recipe.teacher`.
        teacher_terms: The terms of use of the teacher; the network that learns from it has them, too.
        resume: Whether to continue from the state in `out`.

    Raises:
        PartwiseError: If a value is out of range, the run has no end, the folder is in use, data cannot be read, disk
            or memory is full, a process of the run has ended, or a loss is not finite. `out` can then still be used.
        Stopped: If a signal ends the run (a KeyboardInterrupt).
    """
    check_recipe(recipe)
    config, folder = recipe.training, RunFolder(out)
    if not (config.steps > 0 or config.minutes > 0):
        raise PartwiseError(f"recipe {recipe.name}: it has no end: give --steps N or --minutes M")
    going_on = folder.check(resume)
    accelerator = start_accelerator()
    torch.manual_seed(config.seed)
    method = build_method(recipe.method, labels_of(scenes))
    check_crop(recipe.data.augment.crop, method.size_multiple)
    origin, terms = _origin(recipe, data_name), [teacher_terms]
    if not going_on:
        start = start_weights(method, recipe, weights, monitor.note, class_names, scenes)
        origin["weights"], terms = start.origin, [start.terms, *terms]
    if joined := joined_terms(terms):
        origin["terms"] = joined
    run = Run(_learner(recipe, method, accelerator, teacher), folder, monitor, origin)
    lock = folder.lock.held(monitor.note) if run.is_main else contextlib.nullcontext()
    with lock, _explained(run):
        folder.check(resume)  # check again: another training may have ended in this folder in the meantime
        if going_on:
            run.restore()
        run.begin(resume, going_on, scenes)
        presence, classes = run.presence(scenes), method.instance_classes
        samples = TrainingSamples(scenes, method.targets, recipe.data, config.seed, presence, rendered, classes)
        step = run.progress.step * config.accumulate
        draws = Draws(config.batch_size, step, accelerator.process_index, accelerator.num_processes)
        with contextlib.closing(run), contextlib.closing(training_batches(samples, draws)) as batches:
            run.loop(batches, evaluate)
    return method


def _origin(recipe: Recipe, data_name: str) -> dict[str, Any]:
    """Return the origin that model files of a run store, except the weights that the run starts from."""
    origin = {"recipe": recipe.name, "data": data_name, "seed": recipe.training.seed}
    return origin | {"teacher": Path(recipe.teacher).name} if recipe.teacher else origin


def _learner(recipe: Recipe, method: Method, accelerator: Accelerator, teacher: Method | None) -> Learner:
    """Put the network and its teacher on the device, and return a learner with both."""
    on_device(method, accelerator.device)
    if teacher is not None:
        check_teacher(method, teacher, features=recipe.teacher_features > 0)
        if recipe.teacher_flip:
            require_mirrorable(teacher)
        teacher = on_device(fold_batch_norm(teacher), accelerator.device)
    return Learner(recipe, method, accelerator, teacher)


@contextlib.contextmanager
def _explained(run: Run) -> Iterator[None]:
    """Turn a signal, a lack of memory, and the end of another process into the errors of `train`."""
    try:
        yield
    except KeyboardInterrupt:
        raise _stopped(run) from None
    except (MemoryError, RuntimeError, OSError) as error:
        if is_out_of_memory(error):
            raise PartwiseError(
                f"{run.folder.path}: out of memory at step {run.progress.step} ({in_one_line(error)}): give a smaller "
                f"training.batch_size or data.augment.crop; {run.folder.usable()}"
            ) from error
        if isinstance(error, RuntimeError) and (lost := lost_process(error)):
            raise (_stopped(run) if run.stop.pressed else lost) from error
        raise


def _stopped(run: Run) -> Stopped:
    """Return the exception for a run that a signal stopped."""
    started = run.folder.state.exists()
    how = "the same command with --resume continues it" if started else "no checkpoint was written yet"
    return Stopped(f"stopped at step {run.progress.step}: {how}")
