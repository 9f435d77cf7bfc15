"""What `bench models` measures of every model, and which earlier figures are of the same things."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from partwise.errors import PartwiseError
from partwise.methods.options import seen_sizes
from partwise.training.record import differences

__all__ = ["View", "known_sizes", "known_view", "size_name", "views_of"]

CIRCUMSTANCES = {  # where they stand in the figures -> those of every version, and those of later versions
    "data": (("root", "split", "size"), ("truth",)),
    "machine": (("processor", "threads", "device", "torch"), ("partwise",)),
}


class View(NamedTuple):
    """What is measured of every model.

    Attributes:
        name: Its name in the figures.
        size: (H, W) of the images in pixels.
        scale: Factor by which the frames are enlarged to this size; None for the default scale of a model.
        scored: Whether models are scored as well as timed.
    """

    name: str
    size: tuple[int, int]
    scale: float | None = None
    scored: bool = True


def size_name(size: tuple[int, int]) -> str:
    """Format a size: (512, 1024) becomes "1024x512"."""
    return f"{size[1]}x{size[0]}"


def views_of(size: tuple[int, int], scales: Sequence[float], timed: tuple[int, int]) -> list[View]:
    """List what is measured of every model: the default scale, further scales, and the time at one more size.

    Args:
        size: (H, W) of the frames in pixels.
        scales: Factors by which frames are enlarged; those that are given twice count once.
        timed: (H, W) of images that are only timed, unless models are scored at this size.

    Raises:
        PartwiseError: If a scale is out of range.

    >>> [view.name for view in views_of((512, 1024), (1, 0.5, 0.5), (1024, 2048))]
    ['1024x512', '1024x512 at scale 1', '512x256', '2048x1024']
    """
    views = {size_name(size): View(size_name(size), size)}
    for scale in dict.fromkeys(scales):
        seen = seen_sizes(size, scale)[0]
        name = size_name(seen)
        name = f"{name} at scale {scale:g}" if name in views else name
        views[name] = View(name, seen, scale)
    views.setdefault(size_name(timed), View(size_name(timed), timed, scored=False))
    return list(views.values())


def known_view(sizes: Mapping[str, Mapping[str, Any]], view: View) -> dict[str, Any]:
    """Return the earlier figures of a view, or none if they were measured at another scale or do not say at which."""
    before = sizes.get(view.name, {})
    return dict(before) if "scale" in before and before["scale"] == view.scale else {"scale": view.scale}


def known_sizes(before: Mapping[str, Any] | None, now: Mapping[str, Any]) -> dict[tuple[str, str], dict]:
    """Return the earlier figures of all views by (name, digest) of a model.

    Args:
        before: The earlier figures; None for none.
        now: The present ones.

    Raises:
        PartwiseError: If the earlier figures have another form, or were measured in other circumstances.
    """
    if before is None:
        return {}
    try:
        changed = differences(_circumstances(before), _circumstances(now))
        rows = {(row["model"], row["digest"]): row["sizes"] for row in before["models"]}
        if not all(isinstance(at, Mapping) for sizes in rows.values() for at in sizes.values()):
            raise TypeError("sizes")
    except (KeyError, TypeError, AttributeError):
        raise PartwiseError(
            "what was measured before is no table of models, or one of another version: do not resume"
        ) from None
    if changed:
        raise PartwiseError(f"what was measured before has other settings ({changed}): do not resume")
    return rows


def _circumstances(figures: Mapping[str, Any]) -> dict[str, Any]:
    """Return what figures depend on beside the models. Raises KeyError if a key of every version is missing."""
    found = {"frames": figures["frames"]}
    for place, (always, later) in CIRCUMSTANCES.items():
        part = figures[place]
        found |= {key: part[key] for key in always} | {key: part[key] for key in later if key in part}
    return found
