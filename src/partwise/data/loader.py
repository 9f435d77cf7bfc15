"""Training samples: which scene comes when, and how it is cut. A sample is a function of (seed, draw), nothing else.

That makes a resumed run see what the uninterrupted one would have seen, with any number of worker processes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import field

import numpy as np
import torch
from torch import Tensor

from partwise.data.paste import paste_instances
from partwise.data.transforms import AugmentConfig, augment
from partwise.fields import CountOrZero, Share, configuration
from partwise.labels import INSTANCE_FACTOR
from partwise.rle import value_counts
from partwise.scene import Scene, Scenes
from partwise.workers import Workers

__all__ = [
    "ADVICE",
    "AHEAD",
    "PATIENCE_SECONDS",
    "DataConfig",
    "Draws",
    "TrainingSamples",
    "class_presence",
    "collate",
    "rare_class_weights",
    "repeat_factors",
    "training_batches",
]

Batch = tuple[Tensor, list[dict[str, Tensor]]]  # images (B, 3, H, W) uint8, and the targets of each
AHEAD = 4  # batches that each worker prepares in advance
PATIENCE_SECONDS = 900.0  # for a batch of the largest crops from a slow drive a minute is long
ADVICE = (
    "give fewer data.workers (0: the main process prepares the samples), a smaller training.batch_size or "
    "a smaller data.augment.crop"
)


@configuration
class DataConfig:
    """What the network is trained on.

    augment          how a scene is cut and changed
    rendered_share   share of the samples that are rendered streets instead of frames of the data set
    paste            probability that instances of another frame are laid over a sample (data/paste.py)
    repeat_threshold frames with a class that fewer than this share of frames show come more often (LVIS, section 4.2)
    workers          processes that prepare samples
    """

    augment: AugmentConfig = field(default_factory=AugmentConfig)
    rendered_share: Share = 0.0
    paste: Share = 0.0
    repeat_threshold: Share = 0.0
    workers: CountOrZero = 1


class TrainingSamples:
    """Draw number -> (image (3, H, W) uint8, targets)."""

    def __init__(
        self,
        scenes: Scenes,
        targets: Callable[[Scene], dict[str, Tensor]],
        config: DataConfig,
        seed: int,
        presence: np.ndarray | None = None,
        rendered: Scenes | None = None,
        classes: Collection[int] | None = None,
    ):
        """`classes`: ids of those that crops are laid around the instances of; None for all that have instances."""
        self.scenes, self.targets, self.config, self.seed = scenes, targets, config, seed
        self.rendered, self.classes = rendered, classes
        self.weights = np.ones(len(scenes)) if presence is None else repeat_factors(presence, config.repeat_threshold)
        self.class_weights = {} if presence is None else rare_class_weights(presence, config.repeat_threshold)

    def scene(self, draw: int) -> Scene:
        """The augmented scene of a draw."""
        rng = np.random.default_rng([self.seed, draw])
        if self.rendered is not None and rng.random() < self.config.rendered_share:
            scene = self.rendered[draw % len(self.rendered)]
        else:
            scene = self.scenes[self._frame(draw)]
        scene = augment(scene, rng, self.config.augment, self.class_weights, self.classes)
        # A recipe that pastes nothing draws no number for it, so that its samples stay what they were.
        if self.config.paste and rng.random() < self.config.paste:
            frame = int(rng.choice(len(self.weights), p=self.weights / self.weights.sum()))
            donor = augment(self.scenes[frame], rng, self.config.augment, self.class_weights, self.classes)
            scene = paste_instances(scene, donor, rng, self.classes)
        return scene

    def _frame(self, draw: int) -> int:
        """The frame of a draw: every pass visits each frame as often as its weight, in a new order."""
        length = math.ceil(float(self.weights.sum()))  # rounded down, a frame of weight 1 might miss its turn
        turn, place = divmod(draw, length)
        rng = np.random.default_rng([self.seed, 1, turn])
        # Systematic sampling: frame i comes floor or ceil of its weight times, `length` visits in all.
        ends = np.floor(np.cumsum(self.weights) * length / self.weights.sum() + rng.random()).astype(int)
        visits = np.repeat(np.arange(len(ends)), np.diff(ends, prepend=0))
        return int(rng.permutation(visits)[place % len(visits)])

    def __getitem__(self, draw: int) -> tuple[Tensor, dict[str, Tensor]]:
        """The sample of a draw. Raises PartwiseError where its frame cannot be used."""
        scene = self.scene(draw)
        return torch.from_numpy(scene.image_HW3).permute(2, 0, 1), self.targets(scene)

    def batch(self, draws: Sequence[int]) -> Batch:
        """The samples of several draws, collated."""
        return collate([self[draw] for draw in draws])


class Draws:
    """Batches of draw numbers from `first_step` on, without end; each of `processes` takes its own share."""

    def __init__(self, batch_size: int, first_step: int = 0, process: int = 0, processes: int = 1):
        self.batch_size, self.step, self.process, self.processes = batch_size, first_step, process, processes

    def __iter__(self):
        step = self.step
        while True:
            first = (step * self.processes + self.process) * self.batch_size
            yield list(range(first, first + self.batch_size))
            step += 1


def collate(samples: list[tuple[Tensor, dict[str, Tensor]]]) -> Batch:
    """Images stacked to (B, 3, H, W) uint8, targets as a list."""
    return torch.stack([image for image, _ in samples]), [targets for _, targets in samples]


def training_batches(samples: TrainingSamples, draws: Draws) -> Generator[Batch, None, None]:
    """Batches without end, prepared by `samples.config.workers` processes, page-locked where there is a GPU.

    Close it to end the processes: they live until then.

    Raises PartwiseError for a frame that cannot be used, in the words of whoever found it, and in one line for
    whatever ends a worker.
    """
    count = samples.config.workers
    if count == 0:
        yield from map(samples.batch, draws)
        return
    work = _Work(samples)
    # The thread comes first: when it is joined the workers are gone, and it has nothing left to wait for.
    with ThreadPoolExecutor(1) as thread, Workers(work, count, advice=ADVICE, patience=PATIENCE_SECONDS) as workers:
        arrays = workers.map(draws, AHEAD)
        if torch.cuda.is_available():
            yield from _one_ahead(thread, lambda: _page_locked(_tensors(next(arrays))))
        else:
            yield from map(_tensors, arrays)


def _one_ahead(thread: ThreadPoolExecutor, make: Callable[[], Batch]) -> Iterator[Batch]:
    """What `make` makes, again and again, each made by the thread while the one before it is used."""
    pending = thread.submit(make)
    while True:
        made = pending.result()
        pending = thread.submit(make)
        yield made


class _Work:
    """What a worker does: draws -> the batch as arrays, which can be sent."""

    def __init__(self, samples: TrainingSamples):
        self.samples = samples

    def __call__(self, draws: Sequence[int]) -> tuple[np.ndarray, list[dict[str, np.ndarray]]]:
        torch.set_num_threads(1)
        images, targets = self.samples.batch(draws)
        return images.numpy(), [{name: value.numpy() for name, value in one.items()} for one in targets]


def _tensors(arrays: tuple[np.ndarray, list[dict[str, np.ndarray]]]) -> Batch:
    """The same memory as tensors."""
    images, targets = arrays
    return torch.from_numpy(images), [{name: torch.from_numpy(value) for name, value in one.items()} for one in targets]


def _page_locked(batch: Batch) -> Batch:
    """A copy in memory from which a GPU can take it while it works."""
    images, targets = batch
    return images.pin_memory(), [{name: value.pin_memory() for name, value in one.items()} for one in targets]


def class_presence(scenes: Scenes, progress: Callable[[int, int], None] = lambda done, total: None) -> np.ndarray:
    """(len(scenes), 256) bool: which evaluated class ids each frame shows, things only as instances, not as groups."""
    presence = np.zeros((len(scenes), 256), bool)
    if len(scenes) == 0:
        return presence
    evaluated = np.zeros(256, bool)
    evaluated[[label.id for label in scenes[0].label_set.evaluated]] = True
    things = [label.id for label in scenes[0].label_set.things]
    for i in range(len(scenes)):
        scene = scenes[i]
        ids, _ = value_counts(scene.instance_ids_HW)
        ids = ids[~np.isin(ids, things)]
        presence[i, np.where(ids >= INSTANCE_FACTOR, ids // INSTANCE_FACTOR, ids)] = True
        presence[i] &= evaluated
        progress(i + 1, len(scenes))
    return presence


def repeat_factors(presence: np.ndarray, threshold: float) -> np.ndarray:
    """(frames,) >= 1: how often a frame is visited, max over its classes of sqrt(threshold / share of frames)."""
    return np.maximum((presence * _class_factors(presence, threshold)).max(axis=1), 1.0)


def rare_class_weights(presence: np.ndarray, threshold: float) -> dict[int, float]:
    """id -> repeat factor of the class squared: instances of rare classes are preferred as centres of crops."""
    factors = _class_factors(presence, threshold) ** 2
    return {int(i): float(factors[i]) for i in np.flatnonzero(presence.any(axis=0))}


def _class_factors(presence: np.ndarray, threshold: float) -> np.ndarray:
    share = presence.mean(axis=0)
    return np.where(share > 0, np.maximum(1.0, np.sqrt(threshold / np.maximum(share, 1e-9))), 1.0)
