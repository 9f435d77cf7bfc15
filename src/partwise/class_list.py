"""Classes as data or a person name them become a label set: ids of label maps, train ids, colours, void, background."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence
from dataclasses import dataclass, replace

from partwise.errors import PartwiseError
from streeteval.labels import IGNORED_TRAIN_ID, Label, LabelSet

__all__ = ["BACKGROUND", "MOST_CLASSES", "OUTSIDE", "ClassEntry", "class_colour", "label_set_of_classes"]

BACKGROUND, UNLABELLED = "background", "unlabelled"
OUTSIDE = (BACKGROUND, "ignored")  # what pixels in no instance may count as
MOST_CLASSES = 253  # ids of label maps are 0..255, of which two are "unlabelled" and the background
_BACKGROUND_COLOUR = (70, 70, 70)


@dataclass(frozen=True)
class ClassEntry:
    """A class with its number in the data, before it has an id in label maps.

    Attributes:
        name: Of the class.
        id: Its number in the data, any whole number.
        category: The coarser class; empty: a category of its own.
        has_instances: Whether its instances are told apart.
        colour: RGB, 0..255; None: one is chosen.
        ignored: Whether it is left out of training and scores.
        sources: Names and numbers in the data that are this class, too.
        mean_instance_px: See `Label`.
    """

    name: str
    id: int
    category: str = ""
    has_instances: bool = True
    colour: tuple[int, int, int] | None = None
    ignored: bool = False
    sources: tuple[str | int, ...] = ()
    mean_instance_px: float | None = None


def label_set_of_classes(name: str, entries: Sequence[ClassEntry], outside: str = BACKGROUND) -> LabelSet:
    """Make a label set.

    A number from 0 to 255 stays the id of the class in label maps, but for a class with instances that has the number
    0: instance maps cannot hold it. Such a class, and one with a larger number, get a free id and keep their number as
    `category_id`. Unless an entry is ignored and has no instances, a class "unlabelled" is added, if possible with the
    id 0.

    Args:
        name: Of the label set.
        entries: With different names and numbers.
        outside: "background": pixels in no instance are a class of this name, which is added unless an entry has the
            name; "ignored": nothing is known of them; or the name of an entry.

    Returns:
        The label set.

    Raises:
        PartwiseError: If there are more classes than a label map has ids, or `outside` names no class.
    """
    if len(entries) > MOST_CLASSES:
        raise PartwiseError(
            f"{name}: {len(entries)} classes, and at most {MOST_CLASSES} are possible: join some in a label file"
        )
    names = {one.name for one in entries}
    kept = {one.id for one in entries if 0 <= one.id <= 255 and not (one.id == 0 and one.has_instances)}
    free = (id_ for id_ in range(256) if id_ not in kept)
    labels = []
    if not any(one.ignored and not one.has_instances for one in entries):
        unlabelled = f"({UNLABELLED})" if UNLABELLED in names else UNLABELLED
        labels.append(Label(unlabelled, next(free), IGNORED_TRAIN_ID, "void", False, (0, 0, 0)))
    labels += [_label(one, one.id if one.id in kept else next(free), n) for n, one in enumerate(entries)]
    if outside == BACKGROUND and BACKGROUND not in names:
        labels.append(Label(BACKGROUND, next(free), 0, BACKGROUND, False, _BACKGROUND_COLOUR))
    elif outside not in (OUTSIDE[1], *names):
        raise PartwiseError(f"{name}: outside is {outside!r}: give {' or '.join(OUTSIDE)}, or one of its classes")
    return LabelSet(name, _numbered(labels), "" if outside == OUTSIDE[1] else outside)


def _label(entry: ClassEntry, id_: int, number: int) -> Label:
    return Label(
        entry.name,
        id_,
        IGNORED_TRAIN_ID if entry.ignored else 0,
        entry.category or entry.name,
        entry.has_instances,
        entry.colour or class_colour(number),
        entry.mean_instance_px,
        None if id_ == entry.id else entry.id,
        entry.sources,
    )


def _numbered(labels: Sequence[Label]) -> tuple[Label, ...]:
    """In the order of their ids, train ids given to those that are not ignored."""
    ordered, train_id = [], 0
    for label in sorted(labels, key=lambda label: label.id):
        ordered.append(replace(label, train_id=train_id) if label.evaluated else label)
        train_id += label.evaluated
    return tuple(ordered)


def class_colour(number: int) -> tuple[int, int, int]:
    """A bright colour for the class of this number; those of neighbouring numbers differ most (the golden ratio)."""
    red, green, blue = colorsys.hsv_to_rgb(number * 0.618034 % 1, 0.9 - 0.4 * (number // 12 % 2), 0.95)
    return round(red * 255), round(green * 255), round(blue * 255)
