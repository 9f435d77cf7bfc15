"""Rendered street scenes with exact truth: `render_street`, `Streets`, `render_dataset`."""

from partwise.data.streets.render import Streets, render_dataset, render_street

__all__ = ["Streets", "render_dataset", "render_street"]
