"""What a data set is: a sequence of scenes with one label set. `open_dataset` finds out what lies at a path.

Another format is a class of this form, in `DATASETS` or announced by another package (partwise/plugins.py).
"""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from partwise.data.cityscapes import CityscapesFolder
from partwise.data.frame import FaultyDataError, FrameContent, Survey
from partwise.data.masks.bdd100k import Bdd100kFolder
from partwise.data.masks.kitti import KittiFolder
from partwise.data.masks.panoptic import PanopticFolder
from partwise.data.masks.vistas import VistasFolder
from partwise.data.masks.voc import VocFolder
from partwise.data.polygons.dataset import CocoFolder
from partwise.data.polygons.idd import IddFolder
from partwise.data.polygons.labelme import LabelmeFolder
from partwise.data.polygons.layout import looks_like_panoptic
from partwise.data.polygons.via import ViaFolder
from partwise.data.polygons.yolo import YoloFolder
from partwise.errors import PartwiseError
from partwise.plugins import Plugins
from partwise.scene import Scene
from streeteval.files import expanded
from streeteval.labels import LabelSet
from streeteval.reading.faults import counted, fault_of_error

__all__ = [
    "DATASETS",
    "Dataset",
    "DatasetFormat",
    "described",
    "find_format",
    "form_name",
    "known_options",
    "open_dataset",
    "splits_of",
    "summary",
    "survey_of",
]


@runtime_checkable
class Dataset(Protocol):
    """Scenes in a fixed order, each read when it is asked for; can be pickled, for worker processes."""

    @property
    def name(self) -> str:
        """The data set and its split in a few words, such as "city/val"."""
        ...

    @property
    def label_set(self) -> LabelSet:
        """Of every scene."""
        ...

    def __len__(self) -> int: ...

    def __getitem__(self, i: int) -> Scene: ...


class DatasetFormat(Dataset, Protocol):
    """How data of one format lie on a disk: a class whose instances are each one split, a `Dataset`.

    A format may have more, and is used with it:

    - `form`: its name for people, such as "COCO".
    - `options`: names of the keyword arguments that `__init__` takes, of `OPTIONS`.
    - `splits(root, **options)`: a class method that lists the splits.
    - `content(i)`: frame i as a `FrameContent`, with all faults and warnings for `partwise check`; and `survey(root,
      split)`, a class method, where a split with faults cannot be opened.
    - `instance_count`: how many instances there are, where that is known without reading every frame.
    """

    def __init__(self, root: str | os.PathLike, split: str):
        """Open a split. Raises PartwiseError for one that is missing or cannot be used."""

    @classmethod
    def recognises(cls, root: Path) -> bool:
        """Whether what lies at `root` looks like this format; it need not be complete."""
        ...


# What a format may be told about its data; `open_dataset` explains them.
OPTIONS = ("annotations", "images", "label_set", "outside")
DATASETS: Mapping[str, type[DatasetFormat]] = Plugins(
    "partwise.datasets",
    {
        "cityscapes": CityscapesFolder,
        "coco": CocoFolder,
        "via": ViaFolder,
        "labelme": LabelmeFolder,
        "yolo": YoloFolder,
        "idd": IddFolder,
        "kitti": KittiFolder,
        "vistas": VistasFolder,
        "bdd100k": Bdd100kFolder,
        "voc": VocFolder,
        "panoptic": PanopticFolder,
    },
    "format of data sets",
)


def open_dataset(root: str | os.PathLike, split: str, **options: Any) -> Dataset:
    """The split of a data set, in whichever of the known formats it is.

    Args:
        root: Of the data set. What no format recognises is read as Cityscapes, whose reader says what is missing.
        split: Such as "train".
        **options: What the format can be told, see OPTIONS. None is as good as not given:
            annotations, the COCO file; images, the folder of its images; label_set, the classes, where they are not
            those of the data; outside, "background" or "ignored": what pixels in no instance are.

    Raises:
        PartwiseError: If two formats recognise the path, the format takes no such option, or the split cannot be
            opened.
    """
    place = expanded(root)
    form = find_format(place, options)
    given = known_options(form, options, place)
    with _other_formats_named(form, place):
        return form(place, split, **given)


def splits_of(root: str | os.PathLike, **options: Any) -> list[str]:
    """The splits of a data set; empty where its format does not say.

    Args:
        root: Of the data set.
        **options: As for `open_dataset`, which refuses those that the format does not take; here they do not count.

    Raises:
        PartwiseError: If two formats recognise the path, or it is a file that none does.
    """
    place = expanded(root)
    form = find_format(place, options)
    list_splits = getattr(form, "splits", None)
    taken: frozenset[str] = getattr(form, "options", frozenset()) & {"annotations", "images"}
    given = {key: value for key, value in options.items() if key in taken and value is not None}
    with _other_formats_named(form, place):
        return list_splits(place, **given) if list_splits else []


@contextlib.contextmanager
def _other_formats_named(form: type[DatasetFormat], place: Path) -> Iterator[None]:
    """Say where other formats are described if a path that none recognises cannot be read as Cityscapes."""
    try:
        yield
    except FaultyDataError:
        raise
    except PartwiseError as error:
        if form is not CityscapesFolder or form.recognises(place):
            raise
        raise PartwiseError(f"{error} (for COCO and other formats see docs/data.md)") from None


def find_format(root: Path, options: Mapping[str, Any]) -> type[DatasetFormat]:
    """The format of what lies at a path; COCO or its panoptic form where an annotation file is given.

    Raises:
        PartwiseError: If two formats recognise the path, or it is a file that none does.
    """
    if options.get("annotations") is not None:
        return DATASETS["panoptic" if looks_like_panoptic(Path(options["annotations"])) else "coco"]
    found = [name for name in DATASETS if DATASETS[name].recognises(root)]
    if len(found) > 1:
        raise PartwiseError(f"{root}: looks like {' and '.join(found)}: keep one format in a folder")
    if not found and root.is_file() and root.suffix.lower() != ".zip":
        raise PartwiseError(
            f"{root}: a file of no known format: give a COCO or VIA file, a YAML file of YOLO, or the folder of a data "
            "set (docs/data.md)"
        )
    return DATASETS[found[0] if found else "cityscapes"]


def known_options(form: type[DatasetFormat], options: Mapping[str, Any], root: Path) -> dict[str, Any]:
    """The options that are given, all of which the format takes.

    Args:
        form: The format.
        options: As for `open_dataset`.
        root: Of the data set, for the message.

    Raises:
        PartwiseError: If the format does not take one that is given.
    """
    given = {key: value for key, value in options.items() if value is not None}
    taken: frozenset[str] = getattr(form, "options", frozenset())
    for key in given:
        if key not in OPTIONS:
            raise TypeError(f"open_dataset has no option {key!r}")
        if key not in taken:
            raise PartwiseError(
                f"{root}: data of the format {form_name(form)} take no {key.replace('_', ' ')}: leave it out"
            )
    return given


def survey_of(dataset: Dataset, where: str) -> Survey:
    """A data set for `partwise check`, whatever its format can say of its faults.

    Args:
        dataset: That was opened.
        where: It lies.

    Returns:
        Its frames; a frame that cannot be read is a fault.
    """
    content = getattr(dataset, "content", None) or functools.partial(_content, dataset, where)
    annotated = getattr(dataset, "annotated", None)
    warnings = [] if annotated is None else [*annotated.warnings, *annotated.notes]
    return Survey(where, dataset.label_set, len(dataset), content, [], warnings)


def _content(dataset: Dataset, where: str, i: int) -> FrameContent:
    try:
        scene = dataset[i]
    except PartwiseError as error:
        return FrameContent(None, None, None, [fault_of_error(where, error)])
    truth = scene.name, scene.name
    return FrameContent(scene.image_HW3, scene.semantic_HW, scene.instance_ids_HW, truth=truth, image=scene.name)


def described(dataset: Dataset) -> str:
    """A data set in one line: format, label set, frames and, where they are known, instances."""
    count = getattr(dataset, "instance_count", None)
    instances = "" if count is None else f", {counted(count, 'instance')}"
    return f"{dataset.name}: {form_name(type(dataset))}, {summary(dataset.label_set, len(dataset))}{instances}"


def summary(label_set: LabelSet, frames: int) -> str:
    """A label set and a number of frames in a few words."""
    classes = f"{len(label_set.evaluated)} classes, {len(label_set.things)} with instances"
    return f"label set {label_set.name} ({classes}), {counted(frames, 'frame')}"


def form_name(form: type) -> str:
    """What people call a format."""
    return getattr(form, "form", form.__name__)
