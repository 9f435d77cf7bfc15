"""The table of Cityscapes' labels with the names of cityscapesScripts: `labels`, `name2label`, `id2label`, ...

The classes are those of `streeteval.labels.CITYSCAPES`; the table adds the license plate, which is in no image.
"""

from __future__ import annotations

from typing import NamedTuple

from streeteval.labels import CITYSCAPES

__all__ = [
    "Label",
    "assureSingleInstanceName",
    "category2labels",
    "id2label",
    "labels",
    "name2label",
    "trainId2label",
]


class Label(NamedTuple):
    """One class, with the fields that cityscapesScripts gives it.

    Attributes:
        name: Name of the class.
        id: Its number in labelIds; -1 for the license plate, which is never drawn.
        trainId: Its channel in a network; 255 for one that is not evaluated.
        category: The coarser class that it belongs to.
        categoryId: The number of that.
        hasInstances: Whether its instances are told apart.
        ignoreInEval: Whether its pixels are ignored by the scores.
        color: RGB, 0..255.
    """

    name: str
    id: int
    trainId: int
    category: str
    categoryId: int
    hasInstances: bool
    ignoreInEval: bool
    color: tuple[int, int, int]


_CATEGORIES = tuple(dict.fromkeys(label.category for label in CITYSCAPES))

labels = [
    *(
        Label(
            label.name,
            label.id,
            label.train_id,
            label.category,
            _CATEGORIES.index(label.category),
            label.has_instances,
            not label.evaluated,
            label.colour,
        )
        for label in CITYSCAPES
    ),
    Label("license plate", -1, -1, "vehicle", _CATEGORIES.index("vehicle"), False, True, (0, 0, 142)),
]
name2label = {label.name: label for label in labels}
id2label = {label.id: label for label in labels}
trainId2label = {label.trainId: label for label in reversed(labels)}
category2labels = {name: [label for label in labels if label.category == name] for name in _CATEGORIES}


def assureSingleInstanceName(name: str) -> str | None:
    """Return the name of the class whose instances, or groups of them, have this name; None if there is none.

    >>> [assureSingleInstanceName(name) for name in ("car", "cargroup", "sky", "skygroup", "tram")]
    ['car', 'car', 'sky', None, None]
    """
    if name in name2label:
        return name
    single = name.removesuffix("group")
    return single if single != name and single in name2label and name2label[single].hasInstances else None
