"""Which scene comes when: every frame in every pass, rare classes more often, a sample a function of (seed, draw)."""

import contextlib
import itertools
import math
import multiprocessing
import os
import signal
import threading
import time

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from partwise.data import loader
from partwise.data.loader import (
    DataConfig,
    Draws,
    TrainingSamples,
    class_presence,
    rare_class_weights,
    repeat_factors,
    training_batches,
)
from partwise.data.transforms import AugmentConfig
from partwise.errors import PartwiseError
from partwise.scene import Scene
from streeteval.labels import CITYSCAPES

SMALL = AugmentConfig(crop=(32, 64))


def label_map(scene) -> dict[str, torch.Tensor]:
    return {"semantic": torch.from_numpy(scene.semantic_HW.copy())}


def samples_of(scenes, seed=3, presence=None, **config) -> TrainingSamples:
    return TrainingSamples(scenes, label_map, DataConfig(augment=SMALL, **config), seed, presence)


class Numbered(list):
    """Stands for scenes of which only the number matters."""


@st.composite
def presences(draw):
    frames, rng = draw(st.integers(1, 30)), np.random.default_rng(draw(st.integers(0, 10**6)))
    presence = np.zeros((frames, 256), bool)
    presence[:, 24:29] = rng.random((frames, 5)) < rng.uniform(0, 1, 5)
    return presence


@given(presences(), st.floats(0, 1), st.integers(0, 1000))
@settings(max_examples=60, deadline=None)
def test_every_pass_visits_every_frame_as_often_as_its_weight(presence, threshold, seed):
    samples = samples_of(Numbered(range(len(presence))), seed, presence, repeat_threshold=threshold)
    weights = samples.weights
    length = math.ceil(weights.sum())
    for turn in range(2):
        visits = np.bincount([samples._frame(turn * length + i) for i in range(length)], minlength=len(weights))
        scaled = weights * length / weights.sum()
        assert visits.sum() == length
        assert (visits >= np.floor(scaled - 1e-9)).all() and (visits <= np.ceil(scaled + 1e-9)).all()
        assert (visits >= 1).all()


@given(presences(), st.floats(0, 1))
@settings(max_examples=60, deadline=None)
def test_repeat_factors_are_those_of_lvis(presence, threshold):
    expected = []
    for frame in presence:
        factors = [1.0]
        for label in np.flatnonzero(frame):
            share = sum(bool(other[label]) for other in presence) / len(presence)
            factors.append(max(1.0, math.sqrt(threshold / share)))
        expected.append(max(factors))
    assert np.allclose(repeat_factors(presence, threshold), expected)


def test_instances_of_rarer_classes_are_preferred():
    presence = np.zeros((10, 256), bool)
    presence[:, 26], presence[:2, 27], presence[:1, 31] = True, True, True
    weights = rare_class_weights(presence, 0.4)
    assert weights == pytest.approx({26: 1.0, 27: 2.0, 31: 4.0})


def test_passes_differ_in_their_order_and_seeds_differ():
    frames = Numbered(range(40))
    order = lambda seed, turn: [samples_of(frames, seed)._frame(turn * 40 + i) for i in range(40)]
    assert order(1, 0) == order(1, 0)
    assert order(1, 0) != order(1, 1) and order(1, 0) != order(2, 0)


def test_class_presence_counts_evaluated_classes_and_things_only_as_instances(scenes):
    evaluated = {label.id for label in CITYSCAPES.evaluated}
    for scene, row in zip(scenes, class_presence(scenes), strict=True):
        stuff = {label.id for label in CITYSCAPES.evaluated if not label.has_instances}
        shown = (
            set(scene.instances.labels.tolist()) | (set(np.unique(scene.semantic_HW).tolist()) & stuff)
        ) & evaluated
        assert set(np.flatnonzero(row).tolist()) == shown
    ids = np.full((4, 6), 7, np.int32)
    ids[0, 0], ids[0, 1], ids[0, 2], ids[0, 3] = 26, 24001, 29001, 0  # a group of cars, a person, a caravan, nothing
    scene = Scene("groups", np.zeros((4, 6, 3), np.uint8), np.where(ids > 999, ids // 1000, ids).astype(np.uint8), ids)
    assert np.flatnonzero(class_presence([scene])[0]).tolist() == [7, 24]


@given(st.integers(1, 4), st.integers(1, 3), st.integers(0, 20), st.integers(1, 5))
def test_processes_share_the_draws_without_gap_or_overlap(batch_size, processes, first_step, steps):
    drawn = []
    for process in range(processes):
        batches = itertools.islice(Draws(batch_size, first_step, process, processes), steps)
        drawn += [draw for batch in batches for draw in batch]
    begin = first_step * batch_size * processes
    assert sorted(drawn) == list(range(begin, begin + steps * batch_size * processes))


def test_a_sample_is_a_function_of_seed_and_draw(scenes):
    """Not of the order, the number of workers, or the step at which a run is resumed."""
    samples = samples_of(scenes, workers=0, rendered_share=0.0)
    backwards = {draw: samples[draw] for draw in reversed(range(8))}
    for workers in (0, 2):
        for first_step in (0, 2):
            again = samples_of(scenes, workers=workers)
            for step, (images, targets) in enumerate(
                itertools.islice(training_batches(again, Draws(2, first_step)), 4 - first_step), first_step
            ):
                for b in range(2):
                    image, target = backwards[2 * step + b]
                    assert torch.equal(images[b], image)
                    assert torch.equal(targets[b]["semantic"], target["semantic"])
    assert not torch.equal(samples_of(scenes, seed=4)[0][0], backwards[0][0])


def test_rendered_share_is_the_share_of_rendered_scenes(scenes):
    black = [_coloured(scene, 0) for scene in scenes]
    white = [_coloured(scene, 255) for scene in scenes]
    config = DataConfig(augment=AugmentConfig(crop=(32, 64), scale=(1, 1), photometric=0), rendered_share=0.3)
    samples = TrainingSamples(black, label_map, config, 0, None, white)
    share = np.mean([bool(samples[draw][0].max() == 255) for draw in range(300)])
    assert abs(share - 0.3) < 0.1


def _coloured(scene: Scene, grey: int) -> Scene:
    image = np.full_like(scene.image_HW3, grey)
    return Scene(scene.name, image, scene.semantic_HW, scene.instance_ids_HW)


class Damaged(list):
    """Scenes of which every one is damaged."""

    def __getitem__(self, i):
        raise PartwiseError(f"frame{i}.png: the image is damaged: copy it again")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_to_every_process_of_a_job_does_not_end_the_workers(scenes, number):
    """Ctrl-C and schedulers signal the whole group; the main process must still get to the end of its step."""
    before = set(multiprocessing.active_children())
    batches = training_batches(samples_of(scenes, workers=1), Draws(batch_size=1))
    next(batches)
    (worker,) = set(multiprocessing.active_children()) - before
    os.kill(worker.pid, number)
    for _ in range(8):  # more than were prepared in advance
        next(batches)
    assert worker.is_alive()
    batches.close()


@pytest.mark.parametrize("workers", [0, 1])
def test_a_damaged_frame_is_one_line_also_out_of_a_worker(workers):
    samples = samples_of(Damaged([0]), workers=workers)
    with pytest.raises(PartwiseError) as caught:
        next(training_batches(samples, Draws(2)))
    assert str(caught.value) == "frame0.png: the image is damaged: copy it again"


def test_large_batches_need_few_open_files(scenes, open_files_left):
    """Torch's own loader shares every tensor of a batch by a file of its own: two of 64 were more than 1024."""
    many = lambda scene: {f"target {i}": torch.full((50,), i) for i in range(20)}
    samples = TrainingSamples(scenes, many, DataConfig(augment=SMALL, workers=2), 3)
    with open_files_left(40), contextlib.closing(training_batches(samples, Draws(batch_size=64))) as batches:
        for images, targets in itertools.islice(batches, 3):
            assert len(images) == len(targets) == 64


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory: 8 bytes")])
def test_a_lack_of_memory_in_a_worker_is_one_line_that_says_what_to_do(scenes, error):
    def targets(scene):
        raise error

    samples = TrainingSamples(scenes, targets, DataConfig(augment=SMALL, workers=1), 3)
    with pytest.raises(PartwiseError, match=r"a worker failed .*: give fewer data\.workers .*batch_size") as caught:
        next(training_batches(samples, Draws(1)))
    assert "\n" not in str(caught.value)


def test_with_a_gpu_each_batch_is_locked_in_memory_while_the_one_before_is_used(scenes, monkeypatch):
    """There is no GPU here: what stands in for locking says in which thread it runs."""
    locked_by = []

    def page_locked(batch):
        locked_by.append(threading.current_thread())
        return batch

    monkeypatch.setattr(loader, "_page_locked", page_locked)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    samples, begin = samples_of(scenes, workers=1), time.monotonic()
    with contextlib.closing(training_batches(samples, Draws(1))) as batches:
        for draw, (images, _) in enumerate(itertools.islice(batches, 4)):
            assert torch.equal(images[0], samples[draw][0])
    assert len(locked_by) >= 4 and threading.main_thread() not in locked_by
    assert time.monotonic() - begin < 30 and not any(thread.is_alive() for thread in locked_by)
