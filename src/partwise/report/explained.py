"""Show an explanation of any method as text and as a picture."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, runtime_checkable

import numpy as np

from partwise.errors import PartwiseError
from partwise.methods import Explanation, Method
from partwise.methods.centres import CentresExplanation
from partwise.methods.parts.explain import Explanation as PartsExplanation
from partwise.report.inspect import draw_explanation, explanation_text
from partwise.report.inspect_centres import centres_explanation_text, draw_centres_explanation

__all__ = ["ShowsItself", "shown_explanation"]


@runtime_checkable
class ShowsItself(Protocol):
    """The functions that an explanation of another package's method needs, besides those of `Explanation`."""

    def to_text(self, shown_score: float) -> str:
        """Explain in a few lines of text.

        Args:
            shown_score: Default display threshold. `partwise predict` leaves out instances with a lower score.
        """
        ...

    def to_picture(self, image_HW3: np.ndarray) -> np.ndarray:
        """Explain as a picture.

        Args:
            image_HW3: (H, W, 3) uint8 RGB, the image as the network saw it.

        Returns:
            (h, w, 3) uint8 RGB of any size.
        """
        ...


_Shown = tuple[str, np.ndarray]


def _of_parts(explanation: PartsExplanation, image_HW3: np.ndarray, method: Any, shown_score: float) -> _Shown:
    words = explanation_text(explanation, method.config.decode, shown_score, method.label_set)
    return words, draw_explanation(image_HW3, explanation, method.config.k, method.label_set)


def _of_centres(explanation: CentresExplanation, image_HW3: np.ndarray, method: Any, shown_score: float) -> _Shown:
    words = centres_explanation_text(explanation, shown_score, method.label_set)
    return words, draw_centres_explanation(image_HW3, explanation, method.label_set)


SHOWN: dict[type, Callable[[Any, np.ndarray, Any, float], _Shown]] = {
    PartsExplanation: _of_parts,
    CentresExplanation: _of_centres,
}


def shown_explanation(explanation: Explanation, image_HW3: np.ndarray, method: Method, shown_score: float) -> _Shown:
    """Show an explanation as text and as a picture.

    Args:
        explanation: The explanation of one pixel.
        image_HW3: (H, W, 3) uint8 RGB, the image as the network saw it.
        method: The method that made the explanation.
        shown_score: Default display threshold. `partwise predict` leaves out instances with a lower score.

    Returns:
        Lines of text, and a picture (h, w, 3) uint8 RGB.

    Raises:
        PartwiseError: If the explanation has no functions to show it.
    """
    if type(explanation) in SHOWN:
        return SHOWN[type(explanation)](explanation, image_HW3, method, shown_score)
    if isinstance(explanation, ShowsItself):
        return explanation.to_text(shown_score), explanation.to_picture(image_HW3)
    raise PartwiseError(
        f"an explanation of {type(method).__name__} has no to_text and to_picture: use its to_json() in Python"
    )
