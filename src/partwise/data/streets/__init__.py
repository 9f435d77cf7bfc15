"""Rendered street scenes with exact truth: `render_street`, `Streets`, `render_dataset`, `render_sequence`."""

from partwise.data.streets.render import Streets, render_dataset, render_street
from partwise.data.streets.sequence import StreetSequence, render_sequence

__all__ = ["StreetSequence", "Streets", "render_dataset", "render_sequence", "render_street"]
