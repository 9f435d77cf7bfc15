"""The classes of a data set: ids, train ids, names, categories, colours, which have instances."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from typing import Any

import numpy as np

from streeteval.errors import InputError, placed, unknown_name
from streeteval.plugins import Plugins

__all__ = ["CITYSCAPES", "IGNORED_TRAIN_ID", "INSTANCE_FACTOR", "LABEL_SETS", "Label", "LabelSet"]

IGNORED_TRAIN_ID = 255  # Cityscapes: the train id of every class that is not evaluated
INSTANCE_FACTOR = 1000  # Cityscapes: instanceIds = id * 1000 + number


@dataclass(frozen=True)
class Label:
    """One class.

    Attributes:
        name: Name of the class.
        id: Its number in label files, 0..255.
        train_id: Its channel in the network, 0..C-1; 255 for a class that is not evaluated.
        category: The coarser class that it belongs to.
        has_instances: Whether its instances are told apart.
        colour: RGB, 0..255.
        mean_instance_px: Mean area of an instance in the training set in pixels, the weight of iIoU; None if unknown.
        category_id: Its number in the files of its data set if that is not `id`, such as 4000 in COCO.
        sources: Names and numbers in the data that are also this class, such as ("Vehiculo", 7).
    """

    name: str
    id: int
    train_id: int
    category: str
    has_instances: bool
    colour: tuple[int, int, int]
    mean_instance_px: float | None = None
    category_id: int | None = None
    sources: tuple[str | int, ...] = ()

    @property
    def file_id(self) -> int:
        """The number of the class in the files of its data set, which COCO calls category_id."""
        return self.id if self.category_id is None else self.category_id

    @property
    def evaluated(self) -> bool:
        """Whether the class counts in the scores."""
        return self.train_id != IGNORED_TRAIN_ID


@dataclass(frozen=True)
class LabelSet:
    """All classes of a data set.

    Attributes:
        name: Name of the label set.
        labels: The classes, in the order of their ids.
        outside: If the data have instances only: the class of pixels in no instance, such as "background"; "": unknown.

    Raises:
        InputError: If an id or a name is there twice, an id or a colour is outside 0..255, the train ids of the
            evaluated classes are not 0, 1, 2, ..., or `outside` is no class or one with instances.
    """

    name: str
    labels: tuple[Label, ...]
    outside: str = ""

    def __post_init__(self) -> None:
        used: dict[str, list[Any]] = {
            "id": [label.id for label in self.labels],
            "name": [label.name for label in self.labels],
            "category_id": [label.file_id for label in self.labels if label.has_instances],
        }
        for what, values in used.items():
            twice = next((value for value in values if values.count(value) > 1), None)
            if twice is not None:
                raise InputError(f"label set {self.name!r}: {what} {twice!r} is there twice: give each class one")
        for label in self.labels:
            for what, value in (("id", label.id), ("train_id", label.train_id), *(("colour", c) for c in label.colour)):
                if not 0 <= value <= IGNORED_TRAIN_ID:
                    raise InputError(f"label set {self.name!r}, class {label.name!r}: {what}={value}: give 0..255")
        train_ids = [label.train_id for label in self.evaluated]
        if train_ids != list(range(len(train_ids))):
            what = f"the train ids of its evaluated classes are {train_ids}"
            raise InputError(f"label set {self.name!r}: {what}: number them from 0")
        if self.outside and self.outside not in {label.name for label in self.labels}:
            raise InputError(f"label set {self.name!r}: outside={self.outside!r} is none of its classes: name one")
        if self.outside and self[self.outside].has_instances:
            problem = f"outside={self.outside!r} is the class of pixels in no instance, and has instances"
            raise InputError(f"label set {self.name!r}: {problem}: set has_instances to False for it")

    def __iter__(self) -> Iterator[Label]:
        return iter(self.labels)

    def __getitem__(self, name: str) -> Label:
        for label in self.labels:
            if label.name == name:
                return label
        raise unknown_name("class", name, [label.name for label in self.labels])

    def name_of(self, id_: int) -> str:
        """Return the name of the class with an id, or such as "class 99" if no class has the id.

        Example:
            >>> CITYSCAPES.name_of(26), CITYSCAPES.name_of(99)
            ('car', 'class 99')
        """
        label = self.by_id.get(id_)
        return label.name if label else f"class {id_}"

    @property
    def coco_categories(self) -> list[dict[str, int | str]]:
        """The classes whose instances are told apart, as `categories` of a COCO file, with the ids of the data.

        Example:
            >>> CITYSCAPES.coco_categories[2]
            {'id': 26, 'name': 'car', 'supercategory': 'vehicle'}
        """
        return [{"id": label.file_id, "name": label.name, "supercategory": label.category} for label in self.things]

    @cached_property
    def by_id(self) -> dict[int, Label]:
        """The class of each id."""
        return {label.id: label for label in self.labels}

    def file_id_of(self, id_: int) -> int:
        """`Label.file_id` of the class with an id; the id itself where there is no such class."""
        label = self.by_id.get(id_)
        return label.file_id if label else id_

    @cached_property
    def outside_id(self) -> int:
        """The id of pixels in no instance, where data have instances only."""
        return self[self.outside].id if self.outside else self.void_id

    def same_classes(self, other: LabelSet) -> bool:
        """Whether a network of one can be scored on data of the other: the evaluated classes are the same."""
        own, others = (
            [(one.name, one.id, one.train_id, one.file_id, one.category, one.has_instances) for one in labels.evaluated]
            for labels in (self, other)
        )
        return own == others

    def lacking(self, other: LabelSet) -> list[str]:
        """Names of the evaluated classes of another label set that are no class here, by name or by what is mapped.

        The class of pixels in no instance does not count: any label set has something for them.
        """
        known = {label.name for label in self.labels} | {source for label in self.labels for source in label.sources}
        return [label.name for label in other.evaluated if label.name not in known and label.name != other.outside]

    @cached_property
    def evaluated(self) -> tuple[Label, ...]:
        """The evaluated classes in the order of their train ids 0..C-1."""
        return tuple(sorted((label for label in self.labels if label.evaluated), key=lambda x: x.train_id))

    @cached_property
    def things(self) -> tuple[Label, ...]:
        """The evaluated classes whose instances are told apart, in the order of their train ids."""
        return tuple(label for label in self.evaluated if label.has_instances)

    @cached_property
    def void_id(self) -> int:
        """The id of pixels whose class is unknown, the lowest of a class that is not evaluated and has no instances.

        Without such a class it is the lowest id of no class.
        """
        ignored = [label.id for label in self.labels if not (label.evaluated or label.has_instances)]
        return min(ignored or (id_ for id_ in range(IGNORED_TRAIN_ID + 1) if id_ not in self.by_id))

    @cached_property
    def things_by_category(self) -> dict[str, tuple[Label, ...]]:
        """The classes among `things` of each category, in the order of the train ids."""
        names = dict.fromkeys(label.category for label in self.things)
        return {name: tuple(label for label in self.things if label.category == name) for name in names}

    @cached_property
    def categories(self) -> tuple[str, ...]:
        """Names of the evaluated categories, in order of first appearance."""
        return tuple(dict.fromkeys(label.category for label in self.evaluated))

    @cached_property
    def id_to_train_id(self) -> np.ndarray:
        """Look-up table from id to train id, (256,) uint8; ids without a class map to 255."""
        table = np.full(256, IGNORED_TRAIN_ID, np.uint8)
        for label in self.labels:
            table[label.id] = label.train_id
        return table

    @cached_property
    def train_id_to_id(self) -> np.ndarray:
        """Look-up table from train id to id, (256,) uint8; train ids without a class map to `void_id`."""
        table = np.full(256, self.void_id, np.uint8)
        for label in self.evaluated:
            table[label.train_id] = label.id
        return table

    @cached_property
    def colours(self) -> np.ndarray:
        """RGB colour of each id, (256, 3) uint8; black for ids without a class."""
        table = np.zeros((256, 3), np.uint8)
        for label in self.labels:
            table[label.id] = label.colour
        return table

    def to_dict(self) -> dict[str, Any]:
        """Convert to plain values that JSON can hold; `from_dict` is the inverse."""
        rows = [asdict(label) | {"colour": list(label.colour), "sources": list(label.sources)} for label in self.labels]
        rows = [{k: v for k, v in row.items() if v or k not in ("category_id", "sources") or v == 0} for row in rows]
        return {"name": self.name, "labels": rows} | ({"outside": self.outside} if self.outside else {})

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], where: str = "") -> LabelSet:
        """Make a label set from what `to_dict` returns.

        Args:
            values: The name, and a dictionary of fields for each class.
            where: The file that holds them, for errors; "" for none.

        Raises:
            InputError: If a field is missing or unknown, or `LabelSet` refuses the classes.
        """
        known = {field.name for field in fields(Label)}
        labels = []
        try:
            for row in values["labels"]:
                for key in row:
                    if key not in known:
                        raise unknown_name("field of a class", str(key), known, where)
                tuples = {"colour": tuple(row["colour"]), "sources": tuple(row.get("sources", ()))}
                labels.append(Label(**{**row, **tuples}))
            return cls(str(values["name"]), tuple(labels), str(values.get("outside", "")))
        except (KeyError, TypeError) as error:
            remedy = "give the fields of LabelSet.to_dict()"
            raise InputError(f"{placed(where)}this label set cannot be read ({error}): {remedy}") from None


# Cityscapes' own table (cityscapesScripts, labels.py): name, id, trainId, category, hasInstances, colour,
# and the mean pixels of an instance in its training set (cityscapesScripts 2.3.0, args.avgClassSize).
# License plate (-1) is missing, because no label file holds it.
CITYSCAPES = LabelSet(
    "cityscapes",
    tuple(
        Label(name, id_, train_id, category, has_instances, colour, next(iter(mean), None))
        for name, id_, train_id, category, has_instances, colour, *mean in (
            ("unlabeled", 0, 255, "void", False, (0, 0, 0)),
            ("ego vehicle", 1, 255, "void", False, (0, 0, 0)),
            ("rectification border", 2, 255, "void", False, (0, 0, 0)),
            ("out of roi", 3, 255, "void", False, (0, 0, 0)),
            ("static", 4, 255, "void", False, (0, 0, 0)),
            ("dynamic", 5, 255, "void", False, (111, 74, 0)),
            ("ground", 6, 255, "void", False, (81, 0, 81)),
            ("road", 7, 0, "flat", False, (128, 64, 128)),
            ("sidewalk", 8, 1, "flat", False, (244, 35, 232)),
            ("parking", 9, 255, "flat", False, (250, 170, 160)),
            ("rail track", 10, 255, "flat", False, (230, 150, 140)),
            ("building", 11, 2, "construction", False, (70, 70, 70)),
            ("wall", 12, 3, "construction", False, (102, 102, 156)),
            ("fence", 13, 4, "construction", False, (190, 153, 153)),
            ("guard rail", 14, 255, "construction", False, (180, 165, 180)),
            ("bridge", 15, 255, "construction", False, (150, 100, 100)),
            ("tunnel", 16, 255, "construction", False, (150, 120, 90)),
            ("pole", 17, 5, "object", False, (153, 153, 153)),
            ("polegroup", 18, 255, "object", False, (153, 153, 153)),
            ("traffic light", 19, 6, "object", False, (250, 170, 30)),
            ("traffic sign", 20, 7, "object", False, (220, 220, 0)),
            ("vegetation", 21, 8, "nature", False, (107, 142, 35)),
            ("terrain", 22, 9, "nature", False, (152, 251, 152)),
            ("sky", 23, 10, "sky", False, (70, 130, 180)),
            ("person", 24, 11, "human", True, (220, 20, 60), 3462.4756337644),
            ("rider", 25, 12, "human", True, (255, 0, 0), 3930.4788056518),
            ("car", 26, 13, "vehicle", True, (0, 0, 142), 12794.0202738185),
            ("truck", 27, 14, "vehicle", True, (0, 0, 70), 27855.1264367816),
            ("bus", 28, 15, "vehicle", True, (0, 60, 100), 35732.1511111111),
            ("caravan", 29, 255, "vehicle", True, (0, 0, 90), 36771.8241758242),
            ("trailer", 30, 255, "vehicle", True, (0, 0, 110), 16926.9763313609),
            ("train", 31, 16, "vehicle", True, (0, 80, 100), 67583.7075812274),
            ("motorcycle", 32, 17, "vehicle", True, (0, 0, 230), 6298.7200839748),
            ("bicycle", 33, 18, "vehicle", True, (119, 11, 32), 4672.3249222261),
        )
    ),
)
# Name -> label set. Older model files hold only the name of a label set.
LABEL_SETS: Plugins[LabelSet] = Plugins(
    "streeteval.label_sets", {CITYSCAPES.name: CITYSCAPES}, "label set", also="partwise.label_sets"
)
