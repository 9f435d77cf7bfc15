"""The categories of an annotation file become a label set, or are found in one that is given."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from partwise.class_list import BACKGROUND, ClassEntry, label_set_of_classes
from streeteval.labels import INSTANCE_FACTOR, Label, LabelSet
from streeteval.reading.faults import Fault

__all__ = ["Category", "classes_in", "label_set_of", "lacking", "too_many"]

_NO_PARENT = ("", "none")
# Names that tools and people give to regions of which nothing is known; labelme writes __ignore__.
_IGNORED_NAMES = frozenset(
    {
        "ignore",
        "ignored",
        "ignore region",
        "ignore regions",
        "dontcare",
        "don't care",
        "void",
        "unlabeled",
        "unlabelled",
    }
)


@dataclass(frozen=True)
class Category:
    """A class as an annotation file lists it.

    Attributes:
        id: Any whole number.
        name: Of the class.
        parent: Its supercategory; empty without one.
        is_thing: Whether its instances are told apart.
        colour: RGB, 0..255; None: one is chosen.
    """

    id: int
    name: str
    parent: str = ""
    is_thing: bool = True
    colour: tuple[int, int, int] | None = None


def label_set_of(
    categories: Sequence[Category], used: Collection[int], name: str, outside: str = BACKGROUND
) -> LabelSet:
    """The label set of an annotation file.

    A category that no annotation uses and that is the parent of another is no class: Roboflow writes one. Parents are
    the categories of the classes where there are at least two of them. Where all classes have one parent it says
    nothing, and each class is a category of its own. A category called background has no instances, and is the class of
    pixels in no instance.

    Args:
        categories: As the file lists them; ids and names differ.
        used: Ids of the categories that some annotation has.
        name: Of the label set.
        outside: "background" or "ignored", see `label_set_of_classes`.

    Returns:
        The label set.

    Raises:
        PartwiseError: If there are more classes than a label map has ids.
    """
    parents = {one.parent for one in categories if one.parent != one.name}
    classes = [one for one in categories if one.id in used or one.name not in parents]
    grouped = len({one.parent for one in classes} - set(_NO_PARENT)) > 1
    entries = []
    for one in classes:
        word = _plain(one.name)
        ignored, is_background = word in _IGNORED_NAMES, word == BACKGROUND
        is_thing = one.is_thing and not ignored and not is_background
        if outside == BACKGROUND and is_background:
            outside = one.name
        category = one.parent if grouped and one.parent not in _NO_PARENT else ""
        entries.append(
            ClassEntry(
                one.name,
                one.id,
                "void" if ignored else category,
                has_instances=is_thing,
                colour=one.colour,
                ignored=ignored,
            )
        )
    return label_set_of_classes(name, entries, outside)


def _plain(name: str) -> str:
    """A name as it is compared with the usual ones.

    >>> _plain("__Ignore__"), _plain("ignore_region")
    ('ignore', 'ignore region')
    """
    return name.casefold().replace("_", " ").strip()


def classes_in(label_set: LabelSet, categories: Sequence[Category]) -> Mapping[int, Label | None]:
    """Category id -> its class in a label set that was made before: by name, else by what the label set maps to it.

    Args:
        label_set: Of a label file, a model, or another split.
        categories: Of an annotation file.

    Returns:
        None for a category that is no class of the label set.
    """
    places: dict[str | int, Label] = {}
    for label in label_set:
        places |= dict.fromkeys(label.sources, label)
    places |= {label.name: label for label in label_set}
    return {one.id: places.get(one.name, places.get(one.id)) for one in categories}


def lacking(
    categories: Sequence[Category],
    used_N: np.ndarray,
    labels: Mapping[int, Label | None],
    label_set: LabelSet,
    where: str,
) -> Iterator[Fault]:
    """A fault for each category with annotations that is no class of the label set.

    Args:
        categories: Of an annotation file.
        used_N: (N,) category ids of its annotations.
        labels: See `classes_in`.
        label_set: That the file is read with.
        where: The file.
    """
    ids, counts = np.unique(used_N, return_counts=True)
    names = {one.id: one.name for one in categories}
    for id_, count in zip(ids.tolist(), counts.tolist(), strict=True):
        if labels[id_] is None:
            what = f"category {names[id_]!r} (id {id_}, {count} annotations) is no class of {label_set.name}"
            known = ", ".join(label.name for label in label_set.evaluated)
            yield Fault(where, what, f"map it to one of its classes ({known}), or use a label set that has it")


def too_many(
    places_N: np.ndarray,
    categories_N: np.ndarray,
    labels: Mapping[int, Label | None],
    names: Sequence[str],
    where: str,
) -> Iterator[tuple[int, Fault]]:
    """Images with more instances of a class than there are numbers; a class may join categories.

    Args:
        places_N: (N,) the image of each instance, a place in `names`.
        categories_N: (N,) its category id.
        labels: See `classes_in`.
        names: Of the images.
        where: The annotation file.

    Yields:
        The place of the image, and a fault.
    """
    counts = Counter(zip(places_N.tolist(), categories_N.tolist(), strict=True))
    of_class: Counter[tuple[int, str]] = Counter()
    for (place, category), count in counts.items():
        label = labels[category]
        of_class[place, label.name if label else ""] += count
    for (place, name), count in of_class.items():
        if count > INSTANCE_FACTOR:
            what = f"image {names[place]} has {count} instances of class {name!r}"
            yield place, Fault(where, what, f"at most {INSTANCE_FACTOR} of one class are possible: cut the image")
