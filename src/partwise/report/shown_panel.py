"""Show an explanation of any method in a browser, as a panel."""

from __future__ import annotations

import json
from typing import Any, Protocol, runtime_checkable

from partwise.methods import Explanation, Method
from partwise.methods.centres import CentresExplanation
from partwise.methods.parts.explain import Explanation as PartsExplanation
from partwise.report.panel import Panel, text
from partwise.report.panel_of_centres import panel_of_centres
from partwise.report.panel_of_parts import panel_of_parts
from streeteval.files import json_ready

__all__ = ["ShowsPanel", "shown_panel"]


@runtime_checkable
class ShowsPanel(Protocol):
    """The function with which an explanation of another package's method is drawn in a browser.

    Without it the page shows the text of `partwise.report.explained.ShowsItself`, or else the JSON.
    """

    def to_panel(self) -> Panel:
        """Return the blocks and marks, see `partwise.report.panel`."""
        ...


def shown_panel(explanation: Explanation, method: Method, shown_score: float = 0.0, *, short: bool = False) -> Panel:
    """Show an explanation as a panel.

    Args:
        explanation: The explanation of one pixel.
        method: The method that made the explanation.
        shown_score: Default display threshold, for explanations that are shown as text.
        short: Leave out the maps of what is not shown first, where the method has such.
    """
    own: Any = method
    if isinstance(explanation, PartsExplanation):
        config = own.config
        return panel_of_parts(explanation, config.decode, config.k, own.label_set, other_maps=not short)
    if isinstance(explanation, CentresExplanation):
        return panel_of_centres(explanation)
    if isinstance(explanation, ShowsPanel):
        return explanation.to_panel()
    told: Any = explanation
    if hasattr(told, "to_text"):
        return Panel((text(told.to_text(shown_score)),))
    return Panel((text(json.dumps(json_ready(explanation.to_json()), indent=1)),))
