"""Training samples: which scene comes when, and how it is cut. A sample is a function of (seed, draw) alone.

So a resumed run sees what the uninterrupted one would have seen, with any number of worker processes.
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
from partwise.scene import Scene, Scenes
from streeteval.labels import INSTANCE_FACTOR
from streeteval.rle import value_counts
from streeteval.workers import Workers

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

    Attributes:
        augment: How a scene is cut and changed.
        rendered_share: Share of the samples, 0..1, that are rendered streets instead of frames of the data set.
        rendered_pavement: Share of the rendered streets, 0..1, that are seen from the pavement, with large things near
            the camera, instead of from a car.
        paste: Probability that instances of another frame are pasted over a sample (see data/paste.py).
        repeat_threshold: A frame comes more often if it has a class that is in less than this share of the frames
            (LVIS, section 4.2).
        workers: Processes that prepare samples; 0 for the main process.
    """

    augment: AugmentConfig = field(default_factory=AugmentConfig)
    rendered_share: Share = 0.0
    rendered_pavement: Share = 0.0
    paste: Share = 0.0
    repeat_threshold: Share = 0.0
    workers: CountOrZero = 1


class TrainingSamples:
    """The training samples by draw number: `samples[draw]` is (image (3, H, W) uint8, targets).

    Attributes:
        scenes: Frames of the data set.
        targets: Makes the targets of a scene.
        config: How samples are drawn and changed.
        seed: Seed of every random choice.
        presence: As `class_presence` returns it; None: no frame comes more often than others.
        rendered: Rendered streets; None if there are none.
        classes: Ids of the classes whose instances crops are laid around; None for all that have instances.
        weights: (frames,) how often each frame is visited in one pass.
        class_weights: How much more likely a crop is laid around an instance of a class, by its id.
    """

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
        """Keep what samples are made of; the arguments are described at the class."""
        self.scenes, self.targets, self.config, self.seed = scenes, targets, config, seed
        self.rendered, self.classes = rendered, classes
        self.weights = np.ones(len(scenes)) if presence is None else repeat_factors(presence, config.repeat_threshold)
        self.class_weights = {} if presence is None else rare_class_weights(presence, config.repeat_threshold)

    def scene(self, draw: int) -> Scene:
        """Return the augmented scene of a draw."""
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
        """Return the index of the frame of a draw.

        Every pass visits each frame as often as its weight says, in a new order.
        """
        length = math.ceil(float(self.weights.sum()))  # rounded down, a frame of weight 1 might miss its turn
        turn, place = divmod(draw, length)
        rng = np.random.default_rng([self.seed, 1, turn])
        # Systematic sampling: frame i comes floor or ceil of its weight times, `length` visits in all.
        ends = np.floor(np.cumsum(self.weights) * length / self.weights.sum() + rng.random()).astype(int)
        visits = np.repeat(np.arange(len(ends)), np.diff(ends, prepend=0))
        return int(rng.permutation(visits)[place % len(visits)])

    def __getitem__(self, draw: int) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the sample of a draw.

        Raises:
            PartwiseError: If its frame cannot be used.
        """
        scene = self.scene(draw)
        return torch.from_numpy(scene.image_HW3).permute(2, 0, 1), self.targets(scene)

    def batch(self, draws: Sequence[int]) -> Batch:
        """Return the samples of several draws as one batch."""
        return collate([self[draw] for draw in draws])


class Draws:
    """Batches of draw numbers, without end.

    Attributes:
        batch_size: Draws in a batch.
        first_step: The step to begin at.
        process: Index of this process.
        processes: How many processes share the draws; each takes its own.
    """

    def __init__(self, batch_size: int, first_step: int = 0, process: int = 0, processes: int = 1):
        self.batch_size, self.step, self.process, self.processes = batch_size, first_step, process, processes

    def __iter__(self) -> Iterator[list[int]]:
        step = self.step
        while True:
            first = (step * self.processes + self.process) * self.batch_size
            yield list(range(first, first + self.batch_size))
            step += 1


def collate(samples: list[tuple[Tensor, dict[str, Tensor]]]) -> Batch:
    """Stack images to (B, 3, H, W) uint8, and list the targets; B samples."""
    return torch.stack([image for image, _ in samples]), [targets for _, targets in samples]


def training_batches(samples: TrainingSamples, draws: Draws) -> Generator[Batch, None, None]:
    """Yield batches without end.

    `samples.config.workers` processes prepare them. Batches are page-locked if there is a GPU. Close the generator to
    end the processes: they live until then.

    Raises:
        PartwiseError: If a frame cannot be used, or a worker ended.
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
    """Yield what `make` makes, again and again; a thread makes the next one while the last one is used."""
    pending = thread.submit(make)
    while True:
        made = pending.result()
        pending = thread.submit(make)
        yield made


class _Work:
    """What a worker process does: turn draws into a batch of arrays, which can be sent."""

    def __init__(self, samples: TrainingSamples):
        self.samples = samples

    def __call__(self, draws: Sequence[int]) -> tuple[np.ndarray, list[dict[str, np.ndarray]]]:
        torch.set_num_threads(1)
        images, targets = self.samples.batch(draws)
        return images.numpy(), [{name: value.numpy() for name, value in one.items()} for one in targets]


def _tensors(arrays: tuple[np.ndarray, list[dict[str, np.ndarray]]]) -> Batch:
    """Return the same batch as tensors that share its memory."""
    images, targets = arrays
    return torch.from_numpy(images), [{name: torch.from_numpy(value) for name, value in one.items()} for one in targets]


def _page_locked(batch: Batch) -> Batch:
    """Copy a batch into page-locked memory, from which a GPU can take it while it works."""
    images, targets = batch
    return images.pin_memory(), [{name: value.pin_memory() for name, value in one.items()} for one in targets]


def class_presence(scenes: Scenes, progress: Callable[[int, int], None] = lambda done, total: None) -> np.ndarray:
    """Find which evaluated classes each frame shows.

    Args:
        scenes: The frames.
        progress: Called after each frame with how many are done, and how many there are.

    Returns:
        (frames, 256) bool by class id. A class with instances counts only where it has an instance: a group alone does
        not count.
    """
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
    """Compute how often each frame is visited (LVIS, section 4.2).

    Args:
        presence: (frames, 256) bool, see `class_presence`.
        threshold: Share of the frames, 0..1; classes in fewer frames come more often.

    Returns:
        (frames,) factors from 1 up: the maximum over the frame's classes of sqrt(threshold / share of frames).
    """
    return np.maximum((presence * _class_factors(presence, threshold)).max(axis=1), 1.0)


def rare_class_weights(presence: np.ndarray, threshold: float) -> dict[int, float]:
    """Compute how much more likely a crop is laid around an instance of each class.

    The arguments are those of `repeat_factors`.

    Returns:
        The square of each class's repeat factor, by its id.
    """
    factors = _class_factors(presence, threshold) ** 2
    return {int(i): float(factors[i]) for i in np.flatnonzero(presence.any(axis=0))}


def _class_factors(presence: np.ndarray, threshold: float) -> np.ndarray:
    """Return the (256,) repeat factor of each class id, 1 for classes that are not rare."""
    share = presence.mean(axis=0)
    return np.where(share > 0, np.maximum(1.0, np.sqrt(threshold / np.maximum(share, 1e-9))), 1.0)
