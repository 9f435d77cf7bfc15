"""One run: the order of steps, evaluations and checkpoints, and the state that allows the run to be resumed."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from partwise.errors import PartwiseError
from partwise.methods import Method
from partwise.scene import Scenes
from partwise.training.checkpoint import load_state, save_model, save_state
from partwise.training.config import recipe_to_dict
from partwise.training.folder import RunFolder
from partwise.training.learner import Batch, Learner, NotFiniteError
from partwise.training.precision import slow_precision
from partwise.training.presence import frames_key, presence_of
from partwise.training.processes import Agreement, another_ended
from partwise.training.progress import Monitor, Progress
from partwise.training.record import Board, describe, headline, in_words, machine
from partwise.training.resuming import changed_settings, continued_origin, require_classes_of_run
from partwise.training.stopping import StopSwitch

Batches = Iterator[Batch]
Evaluate = Callable[[Method], dict]


class Run:
    """One run. Each function is one part of the training loop.

    Args:
        learner: The learner on its device, with the weights that the run begins with.
        folder: The folder of the run.
        monitor: The observer.
        origin: The origin that model files of this run store, see `ModelInfo`.
    """

    def __init__(self, learner: Learner, folder: RunFolder, monitor: Monitor, origin: dict):
        self.learner, self.folder, self.monitor, self.origin = learner, folder, monitor, origin
        self.recipe, self.accelerator = learner.recipe, learner.accelerator
        self.progress, self.is_main = Progress(), self.accelerator.is_main_process
        self.saved_step, self.saved_at = -1, time.perf_counter()
        self.stop = StopSwitch(alone=self.accelerator.num_processes == 1)
        self.agreement = Agreement(self.accelerator, self.stop)
        self.board: Board | None = None

    def restore(self) -> None:
        """Restore the state that is stored in the folder.

        Raises:
            PartwiseError: If the state belongs to other classes, another network or another optimiser.
        """
        state = load_state(self.folder.state)
        require_classes_of_run(self.folder, state, self.learner.method.label_set)
        try:
            self.learner.restore(state)
        except (ValueError, KeyError, RuntimeError) as error:
            raise PartwiseError(
                f"{self.folder.state}: its network or optimiser differs from that of the recipe ({error}): resume "
                "with the recipe and the overrides that the run began with"
            ) from None
        self.origin = continued_origin(state["origin"], self.origin)
        self.progress = Progress(**state["progress"])
        self.saved_step = self.progress.step

    def begin(self, resume: bool, going_on: bool, scenes: Scenes) -> None:
        """Tell the monitor what will happen, write run.json, and open TensorBoard.

        Args:
            resume: Whether the caller wants to resume a run.
            going_on: Whether there is a state to resume from.
            scenes: The training data.
        """
        self.accelerator.wait_for_everyone()  # every process must have checked the folder before it changes
        if not self.is_main:
            return
        device = machine(self.accelerator)
        values: dict[str, Any] = {"recipe": recipe_to_dict(self.recipe), "origin": self.origin, "machine": device}
        values["frames"] = frames_key(scenes)
        before = self.folder.described()
        data = before.get("origin", {}).get("data", self.origin["data"])
        if data != self.origin["data"] or before.get("frames") != values["frames"]:
            self.folder.forget_presence()
        if going_on:
            changed = changed_settings(before, values)
            changed = changed and f", changed: {changed}"
            self.monitor.note(f"continuing from step {self.progress.step}{changed}")
        elif resume:
            self.monitor.note(f"{self.folder.path}: the run has no checkpoint yet: it starts from the beginning")
        self.folder.begin(values, self.progress.step, self.progress.evaluated)
        if self.recipe.training.tensorboard:
            self.board = Board(self.folder.path / "tensorboard", self.progress.step)
        self.monitor.note(f"training {self.recipe.name} on {in_words(device)}, {self.learner.precision}")
        if self.learner.bf16 and (slow := slow_precision(self.accelerator.device)):
            self.monitor.note(f"warning: {slow}")

    def presence(self, scenes: Scenes) -> np.ndarray | None:
        """Return (frames, 256) bool: which classes each frame shows; None if the sampling does not depend on it."""
        if self.recipe.data.repeat_threshold == 0:
            return None
        return presence_of(scenes, self.folder, self.monitor, self.accelerator)

    def done(self) -> float:
        """Return the share of the run that is done, 0..1; 1 if `patience` is at its end."""
        config = self.recipe.training
        if self.progress.is_stale(config.patience):
            return 1.0
        by_steps = self.progress.step / config.steps if config.steps else 0.0
        by_time = self.progress.seconds / (60 * config.minutes) if config.minutes else 0.0
        return min(1.0, max(by_steps, by_time))

    def loop(self, batches: Batches, evaluate: Evaluate | None) -> None:
        """Train until the end, with evaluations and checkpoints between the steps.

        Args:
            batches: Images (B, 3, H, W) uint8 and the targets of each image.
            evaluate: Scores a network; None for no evaluation.

        Raises:
            KeyboardInterrupt: If a signal stopped the run; the state is saved before.
        """
        self.learner.method.train()
        if self.done() >= 1.0:
            stale = self.progress.is_stale(self.recipe.training.patience)
            more = "a larger training.patience" if stale else "more steps or minutes"
            self.monitor.note(f"the run has reached its end: give {more} to continue it")
        kept = self.keep(-1.0 if self.progress.step == 0 else self.done())
        with self.stop:
            while True:
                if evaluate and not self.agreement.stopping and self.evaluation_is_due():
                    self.save()
                    self.evaluate(evaluate)
                if self.done() >= 1.0 or self.agreement.stopping:
                    break
                if (step := self.next_batches(batches)) is None:
                    break
                self.step(*step)
                kept = self.keep(kept)  # before `save`: a resumed run would not keep weights of earlier shares
                if time.perf_counter() - self.saved_at > self.recipe.training.checkpoint_every_seconds:
                    self.save()
            self.save()
            if self.agreement.stopping:
                self.accelerator.wait_for_everyone()  # a launcher ends all processes when the first one ends
                raise KeyboardInterrupt
            self.finish()

    def evaluation_is_due(self) -> bool:
        """Check whether to evaluate now: at the end and at regular steps, but only once at each step."""
        every, step = self.recipe.training.evaluate_every_steps, self.progress.step
        due = self.done() >= 1.0 or (every > 0 and step > 0 and step % every == 0)
        return due and self.progress.evaluated != step

    def next_batches(self, batches: Batches) -> tuple[list[Batch], float] | None:
        """Return the batches of the next step and the seconds that they took; None if a signal came first.

        A single process stops to wait when a signal comes. Several processes wait for their batches in any case, so
        that all stop after the same step.

        Raises:
            PartwiseError: If there is no further batch, in any process; the steps so far are saved before.
        """
        begin, taken = time.perf_counter(), list[Batch]()
        error: PartwiseError | None = None
        try:
            with self.stop.lifted() if self.stop.alone else contextlib.nullcontext():
                taken = [next(batches) for _ in range(self.recipe.training.accumulate)]
        except KeyboardInterrupt:
            self.stop.pressed = True
            return None
        except PartwiseError as caught:
            error = caught
        if self.agreement.of_any(error is not None):
            raise self.saved_before(error or another_ended()) from error
        return taken, time.perf_counter() - begin

    def saved_before(self, error: PartwiseError) -> PartwiseError:
        """Save the steps so far, wait for it in all processes, and return the error, which says it in the main one."""
        if self.progress.step == 0:
            return error
        self.save()
        self.accelerator.wait_for_everyone()  # a launcher ends all processes when the first one ends
        if not self.is_main:
            return error
        how = f"step {self.progress.step} is saved; the same command with --resume continues from there"
        return PartwiseError(f"{error}; {how}")

    def step(self, batches: Sequence[Batch], waited: float) -> None:
        """Learn from batches that took `waited` seconds to load, and report the step."""
        begin = time.perf_counter() - waited
        lr = self.learner.set_lr(self.progress.step, self.done())
        terms, norm = self.learn(batches)
        # All processes must agree on the time and on signals, because these decide when the run stops. While the main
        # process evaluates, the others wait in `evaluate`.
        spent = self.agreement.of_main({"seconds": time.perf_counter() - begin, "waited": waited})
        progress = self.progress
        progress.step, progress.seconds = progress.step + 1, progress.seconds + spent["seconds"]
        progress.waited += spent["waited"]
        self.folder.lock.require()
        record = {"step": progress.step, "loss": sum(terms.values()), "loss_terms": terms, "lr": lr}
        record |= {"gradient_norm": norm, "seconds": round(progress.seconds, 3), "data_seconds": round(waited, 4)}
        if progress.step % self.recipe.training.log_every_steps == 0 or self.done() >= 1.0:
            self.log(record)
        self.monitor.progress(self.done(), record)

    def learn(self, batches: Sequence[Batch]) -> tuple[dict[str, float], float]:
        """Take one step, see `Learner.learn`.

        Raises:
            PartwiseError: If the loss or the gradient is not finite.
        """
        try:
            return self.learner.learn(batches, self.progress.step)
        except NotFiniteError as error:
            what, values = error.args
            raise PartwiseError(
                f"{self.folder.path}: the {what} is not finite at step {self.progress.step} ({values}): lower optim.lr "
                f"(now {self.recipe.optim.lr:g}) or check the data with partwise check; {self.folder.usable()}"
            ) from None

    def log(self, record: dict) -> None:
        """Write a record to metrics.jsonl and to TensorBoard, in the main process only."""
        if self.is_main:
            self.folder.log(record)
            if self.board:
                self.board.log(record)

    def evaluate(self, evaluate: Evaluate) -> None:
        """Score the current network in the main process, and save it if it is the best so far; other processes wait."""
        progress = self.progress
        progress.evaluated = progress.step
        if self.is_main:
            try:
                self._evaluate(evaluate)
            except KeyboardInterrupt:  # the other processes wait below; the saved state lacks this evaluation
                if self.stop.alone:
                    raise
        progress.stale = int(self.agreement.of_main({"stale": progress.stale})["stale"])

    def _evaluate(self, evaluate: Evaluate) -> None:
        progress = self.progress
        with self.stop.lifted():
            figures = evaluate(self.learner.scored)
        self.folder.lock.require()
        self.log({"step": progress.step, "seconds": round(progress.seconds, 3), "evaluation": figures})
        self.monitor.note(f"step {progress.step}: {describe(figures)}")
        progress.stale += 1
        if headline(figures) > progress.best:
            progress.best, progress.stale = headline(figures), 0
            save_model(self.folder.best, self.learner.scored, self.described())
        self.save_state()

    def described(self) -> dict:
        """Return the origin that a model file of this step stores."""
        return self.origin | {"steps": self.progress.step, "minutes": round(self.progress.seconds / 60, 1)}

    def save(self) -> None:
        """Save the newest weights and the training state, unless those of this step are saved already."""
        if self.saved_step != self.progress.step and self.is_main:
            save_model(self.folder.last, self.learner.scored, self.described())
            self.save_state()
        self.saved_step, self.saved_at = self.progress.step, time.perf_counter()

    def keep(self, before: float) -> float:
        """Save the weights if `done` has passed a share of `keep_at` since it was `before`; return `done`."""
        done = self.done()
        for share in self.recipe.training.keep_at:
            if before < share <= done and self.is_main:
                save_model(self.folder.kept(share), self.learner.scored, self.described())
        return done

    def save_state(self) -> None:
        """Save the training state. It includes the weights, because state and weights must be of the same step."""
        state = self.learner.state() | {"progress": asdict(self.progress), "origin": self.origin}
        state["label_set"] = self.learner.method.label_set.to_dict()
        save_state(self.folder.state, state)

    def finish(self) -> None:
        """Write the end of the run to run.json, and tell the monitor how fast it was."""
        progress = self.progress
        self.accelerator.wait_for_everyone()  # the next run may start from the weights of this one
        if not self.is_main:
            return
        if progress.is_stale(self.recipe.training.patience):
            why = f"{progress.stale} evaluations in a row were no better than {progress.best:.3f}"
            self.monitor.note(f"the run ends early, since {why}; the best weights are in {self.folder.best.name}")
        self.folder.finish({"steps": progress.step, "minutes": round(progress.seconds / 60, 2)})
        if progress.seconds > 0:
            self.monitor.note(progress.pace())

    def close(self) -> None:
        """Write what TensorBoard has not written yet."""
        if self.board:
            self.board.close()
