"""The categories of an annotation file become a label set, or are found in one that is given."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from partwise.class_list import BACKGROUND, ClassEntry, label_set_of_classes
from streeteval.labels import Label, LabelSet

__all__ = ["Category", "classes_in", "label_set_of"]

_NO_PARENT = ("", "none")
# Names that tools and people give to regions of which nothing is known.
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


# Names of what is in no instance.
_BACKGROUND_NAMES = frozenset({BACKGROUND, "_background_", "__background__"})


@dataclass(frozen=True)
class Category:
    """A class as an annotation file lists it.

    Attributes:
        id: Any whole number.
        name: Of the class.
        parent: Its supercategory; empty without one.
        is_thing: Whether its instances are told apart.
    """

    id: int
    name: str
    parent: str = ""
    is_thing: bool = True


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
        ignored = one.name.casefold() in _IGNORED_NAMES
        is_thing = one.is_thing and not ignored and one.name.casefold() not in _BACKGROUND_NAMES
        if outside == BACKGROUND and one.name.casefold() in _BACKGROUND_NAMES:
            outside = one.name
        category = one.parent if grouped and one.parent not in _NO_PARENT else ""
        entries.append(
            ClassEntry(
                one.name,
                one.id,
                "void" if ignored else category,
                has_instances=is_thing,
                ignored=ignored,
            )
        )
    return label_set_of_classes(name, entries, outside)


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
