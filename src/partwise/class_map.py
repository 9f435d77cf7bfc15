"""Which classes of a model stand for which classes of a data set, so that a model of other classes can be used there.

The same map does two things: `rows` tell a network that starts from the model's weights where each of its classes comes
from, and `applied` names what the model itself predicts by the classes of the data set.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from partwise.errors import PartwiseError
from partwise.scene import Prediction
from streeteval.errors import unknown_name
from streeteval.instances import Instances
from streeteval.labels import IGNORED_TRAIN_ID, Label, LabelSet

__all__ = ["REST", "ClassMap", "ClassNames", "named_classes", "parse_class_map"]

REST = "*"  # all classes of the model that no other class takes
# Name of a class of the data -> names of the classes of the model that stand for it: "car,truck", or a list of them.
ClassNames = Mapping[str, str | Sequence[str]]


def parse_class_map(assignments: Iterable[str]) -> dict[str, str]:
    """Texts such as "vehicle=car,truck" as a dictionary; what is given twice for one class is joined.

    Raises:
        PartwiseError: For a text without "=" or without a name before it.

    >>> parse_class_map(["vehicle=car,truck", "person=person", "vehicle=bus"])
    {'vehicle': 'car,truck,bus', 'person': 'person'}
    """
    names: dict[str, str] = {}
    for assignment in assignments:
        new, equals, old = (part.strip() for part in assignment.partition("="))
        if not equals or not new:
            raise PartwiseError(
                f"map {assignment!r}: write CLASS=CLASS_OF_THE_MODEL, such as vehicle=car or vehicle=car,truck"
            )
        names[new] = f"{names[new]},{old}" if names.get(new) else old
    return names


@dataclass(frozen=True)
class ClassMap:
    """For every evaluated class of a label set the classes of another one that stand for it.

    Attributes:
        new: The label set of the data.
        old: The label set of the model.
        sources: Name of each evaluated class of `new`, in their order -> evaluated classes of `old`; empty for none.
    """

    new: LabelSet
    old: LabelSet
    sources: Mapping[str, tuple[Label, ...]]

    @classmethod
    def between(cls, new: LabelSet, old: LabelSet, names: ClassNames | None = None) -> ClassMap:
        """The map that `names` gives; every other class of `new` takes the class of `old` that has its name.

        Args:
            new: The label set of the data.
            old: The label set of the model.
            names: Class of the data -> classes of the model: "car", "car,truck" or ["car", "truck"]; "*" for all that
                no other class takes; "" for none. The class of what lies outside all instances (`LabelSet.outside`)
                takes "*" without being given.

        Raises:
            PartwiseError: For a class that one of the label sets does not have or does not evaluate.
        """
        given = _resolved(new, old, names or {})
        sources: dict[str, tuple[Label, ...] | None] = {}  # None: the rest
        for label in new.evaluated:
            if label.name in given:
                sources[label.name] = given[label.name]
            elif found := _of_name(label.name, old):
                sources[label.name] = (found,)
            else:
                sources[label.name] = None if label.name == new.outside else ()
        taken = {label.name for some in sources.values() for label in some or ()}
        rest = tuple(label for label in old.evaluated if label.name not in taken)
        return cls(new, old, {name: rest if some is None else some for name, some in sources.items()})

    @property
    def is_identity(self) -> bool:
        """Whether both label sets evaluate the same classes in the same order, and each stands for itself."""
        if not self.new.same_classes(self.old):
            return False
        return all(some == [name] for name, some in self.names.items())

    @property
    def names(self) -> dict[str, list[str]]:
        """`sources` by name, as JSON can hold it."""
        return {name: [label.name for label in some] for name, some in self.sources.items()}

    @property
    def unused(self) -> tuple[Label, ...]:
        """The evaluated classes of `old` that stand for none of `new`."""
        taken = {label.name for some in self.sources.values() for label in some}
        return tuple(label for label in self.old.evaluated if label.name not in taken)

    @property
    def never_found(self) -> tuple[str, ...]:
        """Names of the evaluated classes of `new` that no prediction has: no class of `old`, or none with instances."""
        return tuple(
            label.name
            for label in self.new.evaluated
            if not any(one.has_instances or not label.has_instances for one in self.sources[label.name])
        )

    def rows(self, classes: Literal["evaluated", "things"]) -> list[tuple[int, ...]]:
        """For each class of `new` the places of its classes of `old` among those of `old`; empty for none.

        Args:
            classes: "evaluated": all evaluated classes, by train id; "things": those that have instances.
        """
        old = self.old.evaluated if classes == "evaluated" else self.old.things
        new = self.new.evaluated if classes == "evaluated" else self.new.things
        places = {label.name: place for place, label in enumerate(old)}
        return [tuple(places[one.name] for one in self.sources[label.name] if one.name in places) for label in new]

    def lines(self) -> Iterator[str]:
        """A table in words: a line for each class of `new`, and one for the classes of `old` that are not used."""
        width = max((len(name) for name in self.sources), default=0)
        for name, some in self.sources.items():
            words = ", ".join(label.name for label in some) or "nothing: it starts at random"
            yield f"{name:{width}}  from {words}{' together' if len(some) > 1 else ''}"
        if self.unused:
            yield f"not used: {', '.join(label.name for label in self.unused)}"

    def applied(self, prediction: Prediction) -> Prediction:
        """What a model of the classes `old` predicted, in the classes `new`.

        Instances of classes that stand for none are left out. Of two instances of different classes that now have one
        class and overlap by more than an IoU of 0.5 the higher-scoring one stays. A class of `old` that stands for
        several of `new` gives an instance of each; in the semantic map it gives the first of them.
        """
        instances = prediction.instances
        parts = [Instances.empty(instances.size)]
        for label in self.new.things:
            ids = [one.id for one in self.sources[label.name] if one.has_instances]
            part = instances[np.isin(instances.labels, ids)].distinct()
            parts.append(replace(part, labels=np.full(len(part), label.id)))
        joined = Instances.joined(parts)
        joined = joined[np.argsort(-joined.scores, kind="stable")]
        if prediction.semantic_HW is None:
            return Prediction(joined)
        return Prediction(joined, self._table()[prediction.semantic_HW])

    def _table(self) -> np.ndarray:
        """(256,) uint8: id of `old` -> id of `new`; ids that stand for none map to its `void_id`."""
        table = np.full(IGNORED_TRAIN_ID + 1, self.new.void_id, np.uint8)
        for label in reversed(self.new.evaluated):  # so that the first one is written last
            table[[one.id for one in self.sources[label.name]]] = label.id
        return table


def named_classes(names: ClassNames, old: LabelSet) -> LabelSet:
    """The label set that `names` alone makes: their classes have the ids 1, 2, ... in their order.

    Colours and categories are those of the first class of `old` that stands for each, and a class has instances where
    that class has.

    Raises:
        PartwiseError: For no class, and for a class that `old` does not have.
    """
    if not names:
        raise PartwiseError("map: no class is given: give at least one, such as vehicle=car,truck")
    labels = []
    for place, name in enumerate(names):
        some = _listed(names[name], old)
        if not some or not (first := some[0]):
            given = f"{name}={names[name]}"
            raise PartwiseError(f"map {given!r}: give the class of the model that stands for {name!r}")
        instances = any(one is not None and one.has_instances for one in some)
        labels.append(Label(name, place + 1, place, first.category, instances, first.colour))
    return LabelSet("mapped", tuple(labels))


def _resolved(new: LabelSet, old: LabelSet, names: ClassNames) -> dict[str, tuple[Label, ...] | None]:
    """The labels that are given for each class of the data; None for the rest."""
    found: dict[str, tuple[Label, ...] | None] = {}
    for name, given in names.items():
        label = _of_name(name, new)
        if label is None:
            raise unknown_name("class of the data in map", name, [one.name for one in new.evaluated])
        some = _listed(given, old)
        if None in some and len(some) > 1:
            raise PartwiseError(f"map {name}={given}: {REST} is all classes that no other class takes: give it alone")
        if label.name in found:
            raise PartwiseError(f"map: class {label.name!r} is given twice, in upper and lower case: give it once")
        found[label.name] = None if None in some else tuple(one for one in some if one is not None)
    if sum(some is None for some in found.values()) > 1:
        raise PartwiseError(f"map: {REST} is given for two classes: give it for one")
    return found


def _listed(given: str | Sequence[str], old: LabelSet) -> tuple[Label | None, ...]:
    """The classes of the model in a text or a list; None stands for `REST`. A name may hold a comma."""
    if isinstance(given, str):
        whole = _of_name(given, old)
        given = [given] if whole else [part.strip() for part in given.split(",") if part.strip()]
    labels: dict[str, Label | None] = {}
    for name in given:
        label = None if name == REST else _of_name(name, old)
        if label is None and name != REST:
            raise unknown_name("class of the model in map", name, [one.name for one in old.evaluated])
        labels[name if label is None else label.name] = label
    return tuple(labels.values())


def _of_name(name: str, label_set: LabelSet) -> Label | None:
    """The evaluated class of a name: the very name, or the only one that differs in upper and lower case alone."""
    exact = [label for label in label_set.evaluated if label.name == name]
    alike = exact or [label for label in label_set.evaluated if label.name.casefold() == name.casefold()]
    return alike[0] if len(alike) == 1 else None
