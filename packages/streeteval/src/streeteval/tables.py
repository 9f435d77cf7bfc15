"""Tables as text with aligned columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

__all__ = ["aligned"]


def aligned(rows: Sequence[Sequence[Any]]) -> str:
    """Write rows with aligned columns: the first is aligned left, the others right.

    Example:
        >>> print(aligned([["of", "px"], ["door", 90], ["car", 420]]))
        of     px
        door   90
        car   420
    """
    texts = [[str(cell) for cell in row] for row in rows]
    widths = [max(len(row[i]) for row in texts) for i in range(len(texts[0]))]
    lines = []
    for row in texts:
        cells = [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)
