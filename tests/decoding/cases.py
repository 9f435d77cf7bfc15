"""Random candidates with masks, for the tests of the stages that need no torch."""

import numpy as np

from partwise.decoding.candidates import Candidates
from partwise.decoding.masks import WindowMask, window_masks
from streeteval.labels import CITYSCAPES

CELLS, CELL_PX, SIZE = 8, 2, (40, 48)


def random_masks(rng: np.random.Generator, count: int) -> list[WindowMask]:
    """Windows of 8 cells of 2 px inside an image of `SIZE`, with blobs of any size; some are empty."""
    masks = []
    for _ in range(count):
        y, x = (CELL_PX * int(rng.integers(0, side // CELL_PX - CELLS + 1)) for side in SIZE)
        y0, x0 = rng.integers(0, 4, 2)
        y1, x1 = y0 + rng.integers(0, CELLS - y0 + 1), x0 + rng.integers(0, CELLS - x0 + 1)
        logits = np.full((1, CELLS, CELLS), -3.0, np.float32)
        logits[0, y0:y1, x0:x1] = rng.random((y1 - y0, x1 - x0)) * 4
        masks += window_masks(logits, logits > 0, CELL_PX, [(y, x)])
    return masks


def random_candidates(rng: np.random.Generator, count: int, classes: int = 3) -> Candidates:
    """Candidates with a window each, the highest score first; some scores are equal."""
    scores = np.round(rng.random(count), 1)
    index = np.arange(count)
    return Candidates(
        grid_E=index * 0,
        window_E=index,
        centre_E2=np.stack([index, index], axis=1),
        class_E=rng.integers(0, min(classes, len(CITYSCAPES.things)), count),
        objectness_E=rng.random(count),
        score_E=scores,
    ).by_score()


def full_mask(mask) -> np.ndarray:
    """(H, W) bool: the mask inside its box."""
    (x0, y0, x1, y1), inside = mask
    full = np.zeros(SIZE, bool)
    full[y0:y1, x0:x1] = inside
    return full
