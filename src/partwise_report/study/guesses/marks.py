"""What is reached without looking at the image: by where cars stand in other frames.

Axes: N objects, h and w windows of a grid.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from partwise.scene import Scene
from partwise_report.study.probes import share_above
from partwise_report.study.windows import ObjectWindow, centres_of, far_from, objects_of
from streeteval.instances import Instances

NEAR_PX = (32, 64)  # a near negative is centred so far beside the object, and at least 32 px from every other one
CELL_PX = 8
SPREADS_PX = ((8, 32), (8, 96), (16, 64), (16, 192), (32, 128))  # (y, x) of the kernels that are tried
FLOOR = 1e-3  # share of the even density in the prior, so that no place is impossible


@dataclass(frozen=True, eq=False)
class PlacePrior:
    """How often objects stand at each place of a frame; it sees no image.

    Attributes:
        density_hw: (h, w) of cells of 8 px; the sum is 1.
        spread_px: (y, x) of the Gaussian kernel that predicted left-out frames best.
    """

    density_hw: NDArray[np.float64]
    spread_px: tuple[int, int]

    def at(self, y_px: NDArray[np.float64], x_px: NDArray[np.float64]) -> NDArray[np.float64]:
        """(len(y_px), len(x_px)) density at every crossing of these rows and columns; outside, that of the border."""
        rows, columns = (
            np.clip(np.asarray(px) / CELL_PX, 0, count - 1).astype(int)
            for px, count in zip((y_px, x_px), self.density_hw.shape, strict=True)
        )
        return self.density_hw[np.ix_(rows, columns)]


def fit_prior(scenes: Iterable[Scene]) -> PlacePrior:
    """The density of objects over the place in these frames, all of one size.

    Of several kernels the one is taken by which the objects of every second frame are likeliest under the others.

    Raises:
        ValueError: If there is no frame.
    """
    counts = []
    for scene in scenes:
        shape = tuple(-(-side // CELL_PX) for side in scene.size)
        count_hw = np.zeros(shape)
        cells = (centres_of(objects_of(scene)) / CELL_PX).astype(int)
        np.add.at(count_hw, tuple(np.minimum(cells, np.array(shape) - 1).T), 1)
        counts.append(count_hw)
    if not counts:
        raise ValueError("no frame to take the places of objects from")
    halves = [np.sum(counts[half::2] or [np.zeros_like(counts[0])], axis=0) for half in (0, 1)]
    likelihood = {
        spread: sum(
            float((left_out * np.log(_density(seen, spread))).sum()) for seen, left_out in (halves, halves[::-1])
        )
        for spread in SPREADS_PX
    }
    best = max(likelihood, key=lambda spread: likelihood[spread])
    return PlacePrior(_density(halves[0] + halves[1], best), best)


def _density(count_hw: NDArray[np.float64], spread_px: tuple[int, int]) -> NDArray[np.float64]:
    smooth = gaussian_filter(count_hw, [side / CELL_PX for side in spread_px], mode="nearest")
    smooth = smooth / max(smooth.sum(), 1e-12) + FLOOR / smooth.size
    return smooth / smooth.sum()


def near_windows(window: ObjectWindow, objects: Instances) -> torch.Tensor:
    """(h, w) bool: the near negatives of an object's own window in its grid, see NEAR_PX."""
    low, high = NEAR_PX
    y, x = centres_of(objects)[window.n]
    rows, columns = (np.abs(axis - at) <= high for axis, at in zip(window.axes_px, (y, x), strict=True))
    around = torch.from_numpy(rows[:, None] & columns[None, :])
    return around & far_from(window.axes_px, centres_of(objects), np.full(len(objects), low))


def window_aucs(window: ObjectWindow, objects: Instances, prior: PlacePrior) -> dict[str, float]:
    """How often the own window of an object scores above others, by the network and by the prior.

    Returns:
        {"auc_near", "auc_far", "prior_near", "prior_far"}: against the near negatives, and against all windows that are
        centred at least 32 px from every object; 0..1, ties count half, NaN where there is no such window.
    """
    near = near_windows(window, objects)
    far = far_from(window.axes_px, centres_of(objects), np.full(len(objects), NEAR_PX[0]))
    density_hw = torch.from_numpy(prior.at(*window.axes_px))
    own = float(prior.at(np.array(window.centre_px[:1]), np.array(window.centre_px[1:]))[0, 0])
    return {
        "auc_near": share_above(window.objectness, window.scores_hw[near]),
        "auc_far": share_above(window.objectness, window.scores_hw[far]),
        "prior_near": share_above(own, density_hw[near]),
        "prior_far": share_above(own, density_hw[far]),
    }
