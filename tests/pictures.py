"""What tests ask of a picture."""

import numpy as np


def pixels_of(picture_HW3: np.ndarray, colour: str) -> int:
    """How many pixels of a picture have nearly a colour, such as "#00c2a8"."""
    rgb = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)])
    return int((np.abs(picture_HW3.astype(int) - rgb).max(axis=2) < 12).sum())
