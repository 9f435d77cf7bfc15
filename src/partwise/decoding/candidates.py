"""The candidates of one image. A candidate is one window taken as one of the classes that its mask may have.

Axes: E candidates.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np


@dataclass(frozen=True, eq=False)
class Candidates:
    """E candidates of one image.

    Attributes:
        grid_E: (E,) int, index of the grid of the candidate's window.
        window_E: (E,) int, index of the window among the assembled windows of its grid.
        centre_E2: (E, 2) int, cell (y, x) of the window in its grid.
        class_E: (E,) int, index of the class in `LabelSet.things`.
        objectness_E: (E,) float64, 0..1.
        score_E: (E,) float64, 0..1; `by_score` sorts by it.
    """

    grid_E: np.ndarray
    window_E: np.ndarray
    centre_E2: np.ndarray
    class_E: np.ndarray
    objectness_E: np.ndarray
    score_E: np.ndarray

    def __len__(self) -> int:
        return len(self.score_E)

    def __getitem__(self, index: np.ndarray | slice) -> Candidates:
        """Select the candidates at `index` (an int array or a slice), in the order of `index`."""
        return Candidates(*(getattr(self, field.name)[index] for field in fields(self)))

    def by_score(self) -> Candidates:
        """Sort the candidates by score, the highest first; candidates with equal scores keep their order."""
        return self[np.argsort(-self.score_E, kind="stable")]
