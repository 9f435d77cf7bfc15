"""The training loop, from top to bottom. A run is a function of (recipe, data, seed); resuming it changes nothing.

A run is a folder: run.json (recipe and circumstances), metrics.jsonl, last.safetensors, best.safetensors, state.pt.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from accelerate import Accelerator
from torch import Tensor

from partwise.data.loader import Draws, TrainingSamples, class_presence, training_loader
from partwise.errors import PartwiseError
from partwise.files import write_json
from partwise.methods import Method, build_method
from partwise.scene import Scene
from partwise.training.checkpoint import load_state, save_model, save_state
from partwise.training.config import Recipe, recipe_to_dict
from partwise.training.optim import build_optimiser, schedule
from partwise.training.record import cut_metrics, describe, headline, machine
from partwise.training.start import start_weights


class Monitor(Protocol):
    """Who watches a run: the command line draws progress, tests count."""

    def note(self, text: str) -> None:
        """Something that a person should know."""

    def progress(self, done: float, record: dict) -> None:
        """`done` in 0..1, and the last line of metrics.jsonl."""


@dataclass
class Progress:
    """Where a run stands. `seconds` counts training only, over all its resumptions."""

    step: int = 0
    seconds: float = 0.0
    best: float = -1.0


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
    """Train a recipe and return the network.

    evaluate   scores a network; its figures decide which checkpoint is the best
    rendered   scenes that are mixed in, see DataConfig.rendered_share
    weights    a model file to start from (tensors that fit are taken), or weights for the trunk
    resume     go on from state.pt in `out`

    Raises PartwiseError for a loss that is not finite (the last checkpoint is then still usable), for a run without
    an end, for a folder that already holds a run, and for a full disk.
    """
    config = recipe.training
    if not (config.steps > 0 or config.minutes > 0):
        raise PartwiseError(f"recipe {recipe.name}: neither steps nor minutes given: say --steps N or --minutes M")
    out.mkdir(parents=True, exist_ok=True)
    if not resume and (out / "state.pt").exists():
        raise PartwiseError(f"{out}: holds a run already: say --resume to go on with it, or give another folder")
    accelerator = Accelerator(mixed_precision=config.precision)
    torch.manual_seed(config.seed)
    method = build_method(recipe.method)
    origin = {"recipe": recipe.name, "data": data_name, "seed": config.seed}
    origin["weights"] = "resumed" if resume else start_weights(method, recipe, weights, monitor.note)
    method.to(accelerator.device, memory_format=torch.channels_last)
    optimiser = build_optimiser(method, recipe.optim)
    progress = Progress()
    if resume:
        state = load_state(out / "state.pt")
        method.load_state_dict(state["model"])
        optimiser.load_state_dict(state["optimiser"])
        progress, origin = Progress(**state["progress"]), state["origin"]
        cut_metrics(out / "metrics.jsonl", progress.step)
    wrapped = accelerator.prepare(method) if accelerator.num_processes > 1 else method
    samples = TrainingSamples(
        scenes, method.targets, recipe.data, config.seed, _presence(recipe, scenes, out, monitor), rendered
    )
    draws = Draws(config.batch_size, progress.step, accelerator.process_index, accelerator.num_processes)
    run = Run(recipe, method, wrapped, optimiser, accelerator, progress, origin, out, monitor)
    if accelerator.is_main_process:
        write_json(
            out / "run.json", {"recipe": recipe_to_dict(recipe), "origin": origin, "machine": machine(accelerator)}
        )
    run.loop(training_loader(samples, draws), evaluate)
    return method


@dataclass
class Run:
    """Everything that the loop needs, so that each of its parts fits one screen."""

    recipe: Recipe
    method: Method
    wrapped: torch.nn.Module
    optimiser: torch.optim.Optimizer
    accelerator: Accelerator
    progress: Progress
    origin: dict
    out: Path
    monitor: Monitor

    def done(self) -> float:
        """0..1, by steps or by minutes, whichever is nearer to its end."""
        config = self.recipe.training
        by_steps = self.progress.step / config.steps if config.steps else 0.0
        by_time = self.progress.seconds / (60 * config.minutes) if config.minutes else 0.0
        return min(1.0, max(by_steps, by_time))

    def loop(self, loader, evaluate: Callable[[Method], dict] | None) -> None:
        """Steps until the end, with log lines, checkpoints and evaluations between them."""
        config = self.recipe.training
        self.method.train()
        saved_at = evaluated_at = self.progress.step
        last_save = time.perf_counter()
        batches = iter(loader)
        while self.done() < 1.0:
            begin = time.perf_counter()
            images, targets = next(batches)
            waited = time.perf_counter() - begin
            record = self.step(images, targets)
            self.progress.seconds += time.perf_counter() - begin
            record |= {"seconds": round(self.progress.seconds, 3), "data_seconds": round(waited, 4)}
            if self.progress.step % config.log_every_steps == 0 or self.done() >= 1.0:
                self.log(record)
            self.monitor.progress(self.done(), record)
            if time.perf_counter() - last_save > config.checkpoint_every_seconds:
                self.save("last.safetensors")
                saved_at, last_save = self.progress.step, time.perf_counter()
            every = config.evaluate_every_steps
            if evaluate and every and self.progress.step % every == 0 and self.done() < 1.0:
                self.evaluate(evaluate)
                evaluated_at = self.progress.step
        if saved_at != self.progress.step or not (self.out / "last.safetensors").exists():
            self.save("last.safetensors")
        if evaluate and (evaluated_at != self.progress.step or self.progress.best < 0):
            self.evaluate(evaluate)

    def step(self, images: Tensor, targets: list[dict[str, Tensor]]) -> dict:
        """One step of the optimiser; returns the line for metrics.jsonl."""
        device = self.accelerator.device
        torch.manual_seed(self.recipe.training.seed * 1_000_003 + self.progress.step)  # dropout
        lr = self.set_lr()
        images = images.to(device, non_blocking=True)
        targets = [{key: value.to(device, non_blocking=True) for key, value in one.items()} for one in targets]
        with self.accelerator.autocast():
            outputs = self.wrapped(images)
        terms = self.method.loss(outputs, targets)
        loss = sum(terms.values())
        values = {name: float(term.detach()) for name, term in terms.items()}
        if not math.isfinite(sum(values.values())):
            shown = ", ".join(f"{name} {value:.4g}" for name, value in values.items())
            raise PartwiseError(
                f"{self.out}: the loss is not finite at step {self.progress.step} ({shown}): lower optim.lr "
                f"(now {lr:.3g}) or look at the data with partwise check; {self._last()}"
            )
        self.optimiser.zero_grad(set_to_none=True)
        self.accelerator.backward(loss)
        clip = self.recipe.optim.clip_norm
        norm = torch.nn.utils.clip_grad_norm_(self.method.parameters(), clip or math.inf)
        self.optimiser.step()
        self.progress.step += 1
        return {
            "step": self.progress.step,
            "loss": sum(values.values()),
            "loss_terms": values,
            "lr": lr,
            "gradient_norm": float(norm),
        }

    def set_lr(self) -> float:
        """Warm-up, then the schedule by `done`; returns the rate of the head."""
        config = self.recipe.optim
        warm = min(1.0, (self.progress.step + 1) / config.warmup_steps) if config.warmup_steps else 1.0
        lr = config.lr * warm * schedule(config.schedule, self.done())
        for group in self.optimiser.param_groups:
            group["lr"] = lr * group["lr_factor"]
        return lr

    def log(self, record: dict) -> None:
        """Append a line to metrics.jsonl."""
        if self.accelerator.is_main_process:
            with (self.out / "metrics.jsonl").open("a") as file:
                file.write(json.dumps(record) + "\n")

    def evaluate(self, evaluate: Callable[[Method], dict]) -> None:
        """Score the network as it is; keep it as the best if it is."""
        if not self.accelerator.is_main_process:
            return
        figures = evaluate(self.method)
        self.log({"step": self.progress.step, "seconds": self.progress.seconds, "evaluation": figures})
        score = headline(figures)
        self.monitor.note(f"step {self.progress.step}: {describe(figures)}")
        if score > self.progress.best:
            self.progress.best = score
            self.save("best.safetensors")
        self.save("last.safetensors")

    def save(self, name: str) -> None:
        """A model file; with "last" the training state too."""
        if not self.accelerator.is_main_process:
            return
        origin = self.origin | {"steps": self.progress.step, "minutes": round(self.progress.seconds / 60, 1)}
        save_model(self.out / name, self.method, origin)
        if name.startswith("last"):
            save_state(
                self.out / "state.pt",
                {
                    "model": self.method.state_dict(),
                    "optimiser": self.optimiser.state_dict(),
                    "progress": vars(self.progress),
                    "origin": self.origin,
                },
            )

    def _last(self) -> str:
        last = self.out / "last.safetensors"
        return f"the last good weights are in {last}" if last.exists() else "no checkpoint was written yet"


def _presence(recipe: Recipe, scenes: Sequence[Scene], out: Path, monitor: Monitor) -> np.ndarray | None:
    """Which classes each frame shows, read once and kept in the run folder; None where nothing depends on it."""
    if recipe.data.repeat_threshold == 0:
        return None
    path = out / "classes.npy"
    if path.exists():
        presence = np.load(path)
        if len(presence) == len(scenes):
            return presence
    monitor.note(f"looking which classes appear in {len(scenes)} frames")
    presence = class_presence(scenes)
    np.save(path, presence)
    return presence
