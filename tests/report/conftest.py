"""Scenes and predictions made by hand: a few boxes and discs on a street of two colours."""

import numpy as np
import pytest

from partwise.scene import Prediction, Scene
from streeteval.instances import Instances

CAR, PERSON, ROAD, SKY = 26, 24, 7, 23


def make_scene(rng: np.random.Generator, size=(120, 200), count=6, overlap=False) -> Scene:
    """Noise with a road, a sky and `count` instances: discs in the cells of a grid, or anywhere with overlap."""
    height, width = size
    image = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
    semantic = np.where(np.arange(height)[:, None] < height // 2, SKY, ROAD) * np.ones((1, width), int)
    semantic = semantic.astype(np.uint8)
    ids = semantic.astype(np.int32)
    y, x = np.mgrid[:height, :width]
    columns = -(-count // 2)
    for i in range(count):
        row, column = divmod(i, columns)
        if overlap:
            centre = rng.integers(0, height), rng.integers(0, width)
        else:
            centre = (row + 0.5) * height / 2, (column + 0.5) * width / columns
        radius = min(height / 4, width / columns / 2) * rng.uniform(0.5, 0.9)
        disc = (y + 0.5 - centre[0]) ** 2 + (x + 0.5 - centre[1]) ** 2 < radius**2
        label = (CAR, PERSON)[i % 2]
        ids[disc], semantic[disc] = label * 1000 + i, label
    return Scene("street_1", image, semantic, ids)


def predict_truth(scene: Scene, rng: np.random.Generator, semantic=True) -> Prediction:
    """The truth as a prediction with random scores, in another order."""
    truth = scene.instances
    order = rng.permutation(len(truth))
    scored = Instances(
        truth.labels[order],
        rng.uniform(0.1, 1, len(truth)),
        truth.boxes[order],
        [truth.masks[i] for i in order],
        truth.size,
    )
    return Prediction(scored, scene.semantic_HW if semantic else None)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture
def scene(rng):
    return make_scene(rng)


@pytest.fixture
def prediction(scene, rng):
    return predict_truth(scene, rng)
