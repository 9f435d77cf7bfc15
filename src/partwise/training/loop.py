"""Training, from top to bottom. A run is a function of (recipe, data, seed); resuming it changes nothing."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from accelerate import Accelerator
from torch import Tensor

from partwise.data.loader import Draws, TrainingSamples, class_presence, training_batches
from partwise.errors import PartwiseError
from partwise.methods import Method, build_method
from partwise.scene import Scene
from partwise.training.checkpoint import load_matching, load_state, save_model, save_state
from partwise.training.config import Recipe, check_recipe, leaves, recipe_to_dict
from partwise.training.folder import RunFolder
from partwise.training.limits import check_crop
from partwise.training.optim import build_optimiser, schedule
from partwise.training.processes import mean_over_processes, start_accelerator
from partwise.training.record import Board, describe, differences, headline, machine
from partwise.training.start import start_weights
from partwise.training.stopping import Stopped, StopSwitch


class Monitor(Protocol):
    """Who watches a run: the command line draws progress, tests count."""

    def note(self, text: str) -> None:
        """Something that a person should know."""

    def progress(self, done: float, record: dict) -> None:
        """`done` in 0..1, and what metrics.jsonl says of the last step."""


@dataclass
class Progress:
    """Where a run stands. `seconds` counts training only, over all its resumptions; `waited` of them for data.

    best        headline figure of best.safetensors; -1 before the first evaluation
    evaluated   the step of the last evaluation; -1 before the first
    """

    step: int = 0
    seconds: float = 0.0
    best: float = -1.0
    waited: float = 0.0
    evaluated: int = -1


def train(
    recipe: Recipe,
    scenes: Sequence[Scene],
    out: Path,
    monitor: Monitor,
    *,
    data_name: str,
    evaluate: Callable[[Method], dict] | None = None,
    rendered: Sequence[Scene] | None = None,
    weights: str | None = None,
    resume: bool = False,
) -> Method:
    """Train a recipe and return the network; `out` is described by RunFolder.

    evaluate   scores a network; its figures decide which checkpoint is the best
    rendered   scenes that are mixed in, see DataConfig.rendered_share
    weights    a model file to start from (tensors that fit are taken), or weights for the trunk
    resume     go on from the state in `out`

    Raises PartwiseError for a value out of its limits, a run without an end, a folder that already holds a run, data
    that cannot be read, a full disk, and a loss that is not finite; what `out` holds is then still usable. Raises
    Stopped (a KeyboardInterrupt) when a signal ends the run, after its state was saved.
    """
    check_recipe(recipe)
    config, folder = recipe.training, RunFolder(out)
    if not (config.steps > 0 or config.minutes > 0):
        raise PartwiseError(f"recipe {recipe.name}: neither steps nor minutes given: say --steps N or --minutes M")
    going_on = folder.check(resume)
    accelerator = start_accelerator(config.precision)
    torch.manual_seed(config.seed)
    method = build_method(recipe.method)
    check_crop(recipe.data.augment.crop, method.size_multiple)
    origin = {"recipe": recipe.name, "data": data_name, "seed": config.seed}
    if not going_on:
        origin["weights"] = start_weights(method, recipe, weights, monitor.note)
    method.to(accelerator.device, memory_format=torch.channels_last)
    run = Run(recipe, method, build_optimiser(method, recipe.optim), accelerator, folder, monitor, origin)
    if going_on:
        run.restore()
    run.begin(resume, going_on)
    samples = TrainingSamples(scenes, method.targets, recipe.data, config.seed, run.presence(scenes), rendered)
    draws = Draws(config.batch_size, run.progress.step, accelerator.process_index, accelerator.num_processes)
    try:
        run.loop(training_batches(samples, draws), evaluate)
    except KeyboardInterrupt:
        how = "the same command with --resume goes on" if folder.state.exists() else "no checkpoint was written yet"
        raise Stopped(f"stopped at step {run.progress.step}: {how}") from None
    return method


class Run:
    """One run: everything that the loop needs, so that each of its parts fits one screen."""

    def __init__(
        self,
        recipe: Recipe,
        method: Method,
        optimiser: torch.optim.Optimizer,
        accelerator: Accelerator,
        folder: RunFolder,
        monitor: Monitor,
        origin: dict,
    ):
        self.recipe, self.method, self.optimiser, self.accelerator = recipe, method, optimiser, accelerator
        self.folder, self.monitor, self.origin = folder, monitor, origin
        self.progress = Progress()
        self.is_main = accelerator.is_main_process
        # DistributedDataParallel averages the gradients of several processes; its forward pass is the method's.
        self.forward = accelerator.prepare_model(method) if accelerator.num_processes > 1 else method
        self.board: Board | None = None
        self.stop = StopSwitch()

    def restore(self) -> None:
        """Take up the state in the folder. Raises PartwiseError where it belongs to another network."""
        state = load_state(self.folder.state)
        report = load_matching(self.method, state["model"])
        try:
            if report.missing or report.unexpected:
                raise ValueError((report.missing + report.unexpected)[0])
            self.optimiser.load_state_dict(state["optimiser"])
        except ValueError as error:
            raise PartwiseError(
                f"{self.folder.state}: its network or optimiser is another one than the recipe's ({error}): resume "
                "with the recipe and the overrides that the run began with"
            ) from None
        self.progress, self.origin = Progress(**state["progress"]), state["origin"]

    def begin(self, resume: bool, going_on: bool) -> None:
        """Say what is about to happen, in words and in run.json."""
        self.accelerator.wait_for_everyone()  # until all have looked into the folder
        values = {"recipe": recipe_to_dict(self.recipe), "origin": self.origin, "machine": machine(self.accelerator)}
        if self.is_main:
            before = self.folder.described()
            if resume and not going_on:
                self.monitor.note(f"{self.folder.path}: stopped before its first checkpoint: beginning again")
            elif going_on:
                changed = differences(leaves(before.get("recipe", {})), leaves(values["recipe"]))
                self.monitor.note(f"going on from step {self.progress.step}" + (f" with {changed}" if changed else ""))
            self.folder.begin(values, going_on, self.progress.step)
            if self.recipe.training.tensorboard:
                self.board = Board(self.folder.path / "tensorboard", self.progress.step)
        device = values["machine"]
        count = f" in {device['processes']} processes" if device["processes"] > 1 else ""
        precision = {"no": "fp32"}.get(self.recipe.training.precision, self.recipe.training.precision)
        self.monitor.note(f"training {self.recipe.name} on {device['device']}{count}, {precision}")

    def presence(self, scenes: Sequence[Scene]) -> np.ndarray | None:
        """Which classes each frame shows, read once and kept in the folder; None where nothing depends on it."""
        if self.recipe.data.repeat_threshold == 0:
            return None
        with self.accelerator.main_process_first():
            presence = self.folder.presence(len(scenes))
            if presence is None:
                self.monitor.note(f"looking which classes appear in {len(scenes)} frames")
                presence = class_presence(scenes)
                if self.is_main:
                    self.folder.keep_presence(presence)
        return presence

    def done(self) -> float:
        """0..1, by steps or by minutes, whichever is nearer to its end."""
        config = self.recipe.training
        by_steps = self.progress.step / config.steps if config.steps else 0.0
        by_time = self.progress.seconds / (60 * config.minutes) if config.minutes else 0.0
        return min(1.0, max(by_steps, by_time))

    def loop(self, batches, evaluate: Callable[[Method], dict] | None) -> None:
        """Steps until the end, with evaluations and checkpoints between them."""
        self.method.train()
        saved_at, saved_step = time.perf_counter(), self.progress.step
        if self.done() >= 1.0:
            self.monitor.note(f"step {self.progress.step} is the end of the run: give more steps or minutes to go on")
        # A single process stops between two steps; several cannot agree on one, and end where they are.
        switch = self.stop if self.accelerator.num_processes == 1 else _NoSwitch()
        with switch:
            while True:
                if evaluate and self.evaluation_is_due():
                    self.evaluate(evaluate, switch)
                    saved_at, saved_step = time.perf_counter(), self.progress.step
                if self.done() >= 1.0:
                    break
                self.step(batches)
                late = time.perf_counter() - saved_at > self.recipe.training.checkpoint_every_seconds
                if late or switch.pressed:
                    self.save()
                    saved_at, saved_step = time.perf_counter(), self.progress.step
                if switch.pressed:
                    raise KeyboardInterrupt
            if saved_step != self.progress.step or not self.folder.last.exists():
                self.save()
        self.finish()
