"""The vocabulary in which an explanation is shown in a browser: blocks of a panel, and marks on the photo.

Every function returns plain values that JSON can hold. The page (serve/static/panel.js) draws them, and knows nothing
of methods. Positions are in pixels of the image as the network saw it, x before y.

Axes: h and w cells of a map.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

__all__ = [
    "Block",
    "Factor",
    "Panel",
    "arrow",
    "bars",
    "box",
    "choice",
    "choices",
    "counts",
    "map_of",
    "maps",
    "product",
    "spot",
    "text",
]

Block = dict[str, Any]
NOTHING = -128  # of a map: the cell lies outside it
_STEPS = 127  # a map has this many steps on each side of 0


@dataclass(frozen=True)
class Panel:
    """What a page shows about one pixel.

    Attributes:
        blocks: The blocks, from top to bottom.
        marks: Marks on the photo, besides the pixel itself.
    """

    blocks: tuple[Block, ...]
    marks: tuple[Block, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return plain values that JSON can hold."""
        return {"blocks": list(self.blocks), "marks": list(self.marks)}


@dataclass(frozen=True)
class Factor:
    """A factor of a score.

    Attributes:
        name: What it is, such as "objectness".
        value: What it was computed from, 0..1.
        power: The factor is value ** power.
        note: Why it is there; "" for nothing.
        factor: The factor itself; None for value ** power.
    """

    name: str
    value: float
    power: float = 1.0
    note: str = ""
    factor: float | None = field(default=None)

    def to_json(self) -> dict[str, Any]:
        """Return plain values that JSON can hold."""
        factor = self.value**self.power if self.factor is None else self.factor
        return {"name": self.name, "value": self.value, "power": self.power, "factor": factor, "note": self.note}


def text(words: str, title: str = "") -> Block:
    """A paragraph, or several lines."""
    return {"kind": "text", "title": title, "text": words}


def product(title: str, factors: Sequence[Factor], result: float, remark: str = "") -> Block:
    """A score as the product of its factors.

    Args:
        title: What the score is.
        factors: Its factors.
        result: The product.
        remark: What became of it; "" for nothing.
    """
    return {
        "kind": "product",
        "title": title,
        "factors": [one.to_json() for one in factors],
        "result": result,
        "remark": remark,
    }


def bars(title: str, shares: Mapping[str, float]) -> Block:
    """Named shares, 0..1, as bars in the order of the mapping."""
    return {"kind": "bars", "title": title, "bars": [{"name": name, "value": float(v)} for name, v in shares.items()]}


def counts(title: str, rows: Mapping[str, int]) -> Block:
    """How often each of several things happened: words -> number."""
    return {"kind": "counts", "title": title, "rows": [{"text": words, "count": n} for words, n in rows.items()]}


def map_of(
    values_hw: np.ndarray,
    title: str = "",
    *,
    limit: float | None = None,
    frame: tuple[float, float, float, float] | None = None,
    own: bool = False,
    at: tuple[float, float] | None = None,
) -> Block:
    """One map for `maps`: values on both sides of 0, with 255 steps.

    Args:
        values_hw: (h, w) values; NaN for cells outside the map.
        title: Its caption.
        limit: The value of the strongest colour; None for the largest absolute value.
        frame: x0 y0 x1 y1 in cells, a part of the map that is framed; None for none.
        own: Whether the map, or its frame, is the one that answers for the pixel.
        at: (x, y) in cells of the pixel; None if it is not marked.
    """
    known = values_hw[np.isfinite(values_hw)]
    limit = float(np.abs(known).max(initial=0.0)) if limit is None else limit
    limit = limit if limit > 0 and math.isfinite(limit) else 1.0
    steps = np.clip(np.round(np.nan_to_num(values_hw) / limit * _STEPS), -_STEPS, _STEPS)
    steps = np.where(np.isfinite(values_hw), steps, NOTHING).astype(np.int8)
    height, width = steps.shape
    return {
        "title": title,
        "rows": height,
        "columns": width,
        "limit": round(limit, 3),
        "data": base64.b64encode(steps.tobytes()).decode("ascii"),
        "frame": None if frame is None else list(frame),
        "own": own,
        "at": None if at is None else [round(one, 2) for one in at],
    }


def maps(title: str, shown: Sequence[Block], columns: int, low: str = "not the object", high: str = "object") -> Block:
    """Several maps of one scale as a grid.

    Args:
        title: What they are.
        shown: Maps from `map_of`.
        columns: Number of maps in a row.
        low: What the lowest value means.
        high: What the highest value means.
    """
    return {"kind": "maps", "title": title, "maps": list(shown), "columns": columns, "low": low, "high": high}


def choice(title: str, subtitle: str, blocks: Sequence[Block], marks: Sequence[Block] = ()) -> Block:
    """One of several things that a person can look at, for `choices`."""
    return {"title": title, "subtitle": subtitle, "blocks": list(blocks), "marks": list(marks)}


def choices(title: str, options: Sequence[Block]) -> Block:
    """Several things of which one is shown at a time, the first at the beginning; with their marks on the photo."""
    return {"kind": "choices", "title": title, "options": list(options)}


def box(box_px: Sequence[float], parts: int = 1) -> Block:
    """A box on the photo, x0 y0 x1 y1, divided into `parts` x `parts`."""
    return {"kind": "box", "box": [float(one) for one in box_px], "parts": parts}


def arrow(start: tuple[float, float], end: tuple[float, float]) -> Block:
    """An arrow on the photo."""
    return {"kind": "arrow", "from": [float(one) for one in start], "to": [float(one) for one in end]}


def spot(place: tuple[float, float], strength: float) -> Block:
    """A circle on the photo, larger with its strength, 0..1."""
    return {"kind": "spot", "at": [float(one) for one in place], "strength": float(strength)}
