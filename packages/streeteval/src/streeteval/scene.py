"""What the evaluator takes of an image: the maps of its truth, as anything that has these attributes.

Axes: H image height, W image width.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol, TypeVar

import numpy as np

from streeteval.errors import InputError
from streeteval.given import plain
from streeteval.instances import Instances
from streeteval.labels import CITYSCAPES, LabelSet

__all__ = ["EvenlySpaced", "Mapped", "Scene", "Scenes", "Truth", "labels_of", "names_of"]


class Scene(Protocol):
    """One image with its truth. `Truth` is one without pixels; any object with these attributes will do."""

    @property
    def name(self) -> str:
        """Id of the frame, such as "aachen_000000_000019"."""
        ...

    @property
    def semantic_HW(self) -> np.ndarray:
        """(H, W) ids of the label set (Cityscapes labelIds, not train ids)."""
        ...

    @property
    def instance_ids_HW(self) -> np.ndarray:
        """(H, W) int32: id * 1000 + number for an instance, or else the id."""
        ...

    @property
    def label_set(self) -> LabelSet:
        """The classes."""
        ...

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        ...

    @property
    def instances(self) -> Instances:
        """All instances of the truth, also of classes that are not evaluated."""
        ...


@dataclass(frozen=True, eq=False)
class Truth:
    """The truth of one image, a `Scene` without pixels.

    Attributes:
        name: Id of the frame, such as "aachen_000000_000019".
        semantic_HW: (H, W) ids of the label set (Cityscapes labelIds, not train ids); an array, or a tensor of torch.
        instance_ids_HW: (H, W) whole numbers: id * 1000 + number for an instance, or else the id; likewise.
        label_set: The classes.

    Raises:
        InputError: If a map is no array (H, W) of whole numbers, or the two have different sizes.

    Example:
        >>> ids = np.array([[26000, 26000, 7]])
        >>> truth = Truth("street", np.array([[26, 26, 7]]), ids)
        >>> truth.size, truth.instances
        ((1, 3), Instances(1 instance: 1 car; 3x1))
    """

    name: str
    semantic_HW: np.ndarray
    instance_ids_HW: np.ndarray
    label_set: LabelSet = field(default=CITYSCAPES)

    def __post_init__(self) -> None:
        for name in ("semantic_HW", "instance_ids_HW"):
            object.__setattr__(self, name, plain(getattr(self, name)))
        for what, array in (("labelIds", self.semantic_HW), ("instanceIds", self.instance_ids_HW)):
            if not isinstance(array, np.ndarray) or array.ndim != 2 or array.dtype.kind not in "ui":
                found = f"{array.dtype} {array.shape}" if isinstance(array, np.ndarray) else type(array).__name__
                raise InputError(f"{self.name}: {what} are {found}: give an array (H, W) of whole numbers")
        if self.semantic_HW.shape != self.instance_ids_HW.shape:
            sizes = ("x".join(map(str, reversed(x.shape))) for x in (self.semantic_HW, self.instance_ids_HW))
            raise InputError(
                "{}: its labelIds are {}, its instanceIds {}: give maps of one size".format(self.name, *sizes)
            )

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.semantic_HW.shape

    @cached_property
    def instances(self) -> Instances:
        """All instances of the truth, also of classes that are not evaluated."""
        return Instances.from_id_map(self.instance_ids_HW)


Kind_co = TypeVar("Kind_co", covariant=True)
Kind = TypeVar("Kind", bound=Scene)


class Scenes(Protocol[Kind_co]):
    """Scenes in a fixed order: a data set, which reads a scene when it is used, or a list of scenes."""

    def __len__(self) -> int: ...

    def __getitem__(self, i: int, /) -> Kind_co: ...


def names_of(scenes: Scenes[Scene]) -> list[str]:
    """Return the names of the scenes. If the sequence has `names`, as data sets do, no scene is read."""
    names = getattr(scenes, "names", None)
    return [scenes[i].name for i in range(len(scenes))] if names is None else list(names)


def labels_of(scenes: Scenes[Scene]) -> LabelSet:
    """The label set of scenes, which may be a data set with a `label_set` or a list.

    Raises:
        InputError: If there is no scene.
    """
    label_set: Any = getattr(scenes, "label_set", None)
    if label_set is not None:
        return label_set
    if len(scenes) == 0:
        raise InputError("no scene is given, so that the classes are unknown: give at least one")
    return scenes[0].label_set


class Mapped(Sequence[Kind]):
    """The scenes of a sequence, each changed by one function when it is read."""

    def __init__(self, scenes: Scenes[Kind], change: Callable[[Kind], Kind]):
        self.scenes, self.change = scenes, change

    @property
    def names(self) -> list[str]:
        """The names of the scenes; no scene is read if the sequence knows them."""
        return names_of(self.scenes)

    @property
    def label_set(self) -> LabelSet:
        """The label set of the scenes."""
        return labels_of(self.scenes)

    def __len__(self) -> int:
        return len(self.scenes)

    def __getitem__(self, i: int) -> Kind:  # type: ignore[override]  # takes no slices
        """Return scene i, changed."""
        if not -len(self) <= i < len(self):
            raise IndexError(i)
        return self.change(self.scenes[i])


class EvenlySpaced(Sequence[Kind]):
    """At most `count` scenes of a sequence, evenly spaced; 0 means all."""

    def __init__(self, scenes: Scenes[Kind], count: int):
        self.scenes, total = scenes, len(scenes)
        self.name, self.label_set = getattr(scenes, "name", ""), labels_of(scenes)
        count = total if count <= 0 else min(count, total)
        self.chosen = [i * total // count for i in range(count)]

    @property
    def names(self) -> list[str]:
        """The names of the chosen scenes."""
        names = names_of(self.scenes)
        return [names[i] for i in self.chosen]

    def __len__(self) -> int:
        return len(self.chosen)

    def __getitem__(self, i: int) -> Kind:  # type: ignore[override]  # takes no slices
        """Return scene i of the chosen ones."""
        return self.scenes[self.chosen[i]]
