"""Training, from top to bottom. A run is a function of (recipe, data, seed); resuming it changes nothing."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import torch

from partwise.backbones.fold import fold_batch_norm
from partwise.class_map import ClassNames
from partwise.data.dataset import labels_of
from partwise.data.loader import Draws, TrainingSamples, training_batches
from partwise.errors import PartwiseError, in_one_line
from partwise.machine import is_out_of_memory
from partwise.methods import Method, build_method
from partwise.methods.distil import check_teacher
from partwise.scene import Scenes
from partwise.training.config import Recipe, check_crop, check_recipe
from partwise.training.folder import RunFolder
from partwise.training.learner import Learner
from partwise.training.processes import lost_process, start_accelerator
from partwise.training.run import Monitor, Run
from partwise.training.start import start_weights
from partwise.training.stopping import Stopped

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
    resume: bool = False,
) -> Method:
    """Train a recipe and return the network; RunFolder says what `out` then holds.

    evaluate   scores a network; its figures decide which checkpoint is the best
    rendered   scenes that are mixed in, see DataConfig.rendered_share
    weights    model files to start from (tensors that fit are taken, a later file's in place of an earlier one's), or
               weights for the backbone
    class_names   which classes of a model of other classes stand for those of the data, see `ClassMap.between`
    teacher    a trained network to learn from besides the truth, see Recipe.teacher
    resume     go on from the state in `out`

    Raises PartwiseError for a value out of its limits, a run without an end, a folder that already holds a run or in
    which another process trains, data that cannot be read, a full disk, a lack of memory, the end of a worker or of
    another process of the run, and a loss that is not finite; what `out` holds is then still usable. Raises Stopped (a
    KeyboardInterrupt) when a signal ends the run.
    """
    check_recipe(recipe)
    config, folder = recipe.training, RunFolder(out)
    if not (config.steps > 0 or config.minutes > 0):
        raise PartwiseError(f"recipe {recipe.name}: neither steps nor minutes given: say --steps N or --minutes M")
    going_on = folder.check(resume)
    accelerator = start_accelerator()
    torch.manual_seed(config.seed)
    method = build_method(recipe.method, labels_of(scenes))
    check_crop(recipe.data.augment.crop, method.size_multiple)
    origin = {"recipe": recipe.name, "data": data_name, "seed": config.seed}
    if recipe.teacher:
        origin["teacher"] = Path(recipe.teacher).name
    if not going_on:
        origin["weights"] = start_weights(method, recipe, weights, monitor.note, class_names)
    method.to(accelerator.device).to(memory_format=torch.channels_last)
    if teacher is not None:
        check_teacher(method, teacher, features=recipe.teacher_features > 0)
        teacher = fold_batch_norm(teacher).to(accelerator.device).to(memory_format=torch.channels_last)
    run = Run(Learner(recipe, method, accelerator, teacher), folder, monitor, origin)
    lock = folder.lock.held(monitor.note) if run.is_main else contextlib.nullcontext()
    with lock, _explained(run):
        folder.check(resume)  # again: another training may have come to its end meanwhile
        if going_on:
            run.restore()
        run.begin(resume, going_on)
        samples = TrainingSamples(
            scenes, method.targets, recipe.data, config.seed, run.presence(scenes), rendered, method.instance_classes
        )
        draws = Draws(
            config.batch_size,
            run.progress.step * config.accumulate,
            accelerator.process_index,
            accelerator.num_processes,
        )
        with contextlib.closing(run), contextlib.closing(training_batches(samples, draws)) as batches:
            run.loop(batches, evaluate)
    return method


@contextlib.contextmanager
def _explained(run: Run) -> Iterator[None]:
    """Turn a signal, a lack of memory and the end of another process of the run into the errors of `train`."""
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
    started = run.folder.state.exists()
    how = "the same command with --resume goes on" if started else "no checkpoint was written yet"
    return Stopped(f"stopped at step {run.progress.step}: {how}")
