"""One split of a data set whose instances are drawn in an annotation file, as a sequence of Scenes."""

from __future__ import annotations

import operator
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from partwise.class_list import BACKGROUND
from partwise.data.frame import FrameContent, first_of, raise_faults
from partwise.data.image_files import decode_frame
from partwise.data.polygons.classes import classes_in, label_set_of, lacking, too_many
from partwise.data.polygons.coco_file import AnnotatedImages, read_coco
from partwise.data.polygons.compose import Kind, Piece, compose
from partwise.data.polygons.layout import annotation_files, looks_like_coco
from partwise.data.splits import find_split, in_usual_order
from partwise.errors import PartwiseError
from partwise.scene import Scene
from streeteval.errors import warn_of
from streeteval.files import read_json
from streeteval.labels import Label, LabelSet
from streeteval.reading.faults import Fault, fault_of_error, fault_of_remark
from streeteval.reading.id_files import read_bytes

__all__ = ["AnnotatedFolder", "CocoFolder"]


class AnnotatedFolder:
    """Scenes drawn from annotations: the part that COCO, VIA, labelme and IDD have in common.

    The annotations are read and checked once; masks are drawn when a frame is asked for. It can be pickled, which costs
    little: annotations are flat arrays.

    Attributes:
        annotated: Images and annotations.
        label_set: Of every scene.
        split: Its name.
        name: The data set and its split.
        instance_count: Instances of all frames, of evaluated classes.
    """

    in_order: ClassVar[bool] = False  # whether each annotation of a file lies over those before it
    classes_by_name: ClassVar[bool] = True  # so that another label set with classes of these names fits

    def __init__(
        self, annotated: AnnotatedImages, name: str, split: str, label_set: LabelSet | None, outside: str = BACKGROUND
    ):
        """Make the data set.

        Args:
            annotated: Images and annotations.
            name: Of the data set.
            split: Its name.
            label_set: The classes; None for those of the file.
            outside: What pixels in no instance are, where the file gives the classes; see `label_set_of`.

        Raises:
            FaultyDataError: If annotations have a class that `label_set` lacks, or an image has more than 1000
                instances of one class.
        """
        self.annotated, self.split, self.name = annotated, split, f"{name}/{split}"
        used = annotated.used
        self.label_set = label_set or label_set_of(annotated.categories, used, name, outside)
        self._labels = classes_in(self.label_set, annotated.categories)
        table, where = annotated.table, annotated.where
        raise_faults(
            where, list(lacking(annotated.categories, table.categories_N, self._labels, self.label_set, where))
        )
        told_N = _told_apart(annotated, self._labels)
        crowded = too_many(table.images_N[told_N], table.categories_N[told_N], self._labels, self.names, where)
        raise_faults(where, [fault for _, fault in crowded])
        self._warned = self._warned_of_file = False

    @property
    def names(self) -> list[str]:
        """The frames' names, sorted."""
        return [image.name for image in self.annotated.images]

    @property
    def image_ids(self) -> list[int | str]:
        """The id of each frame in the annotation file."""
        return [image.ids[0] for image in self.annotated.images]

    @property
    def instance_count(self) -> int:
        """Instances of evaluated classes in all frames, before duplicates are left out."""
        evaluated = {id_: label for id_, label in self._labels.items() if label and label.evaluated}
        return int(_told_apart(self.annotated, evaluated).sum())

    def __len__(self) -> int:
        return len(self.annotated.images)

    def __iter__(self) -> Iterator[Scene]:
        return (self[i] for i in range(len(self)))

    def __getitem__(self, i: int) -> Scene:
        """Frame i, drawn.

        Raises:
            PartwiseError: If its image is damaged or has another size than the annotations.
        """
        place = range(len(self))[operator.index(i)]
        content = self.content(place)
        scene = content.scene(self.annotated.images[place].name, self.label_set)
        if self.annotated.warnings and not self._warned_of_file:
            warn_of("", [first_of(self.annotated.warnings)])
            self._warned_of_file = True
        if content.warnings and not self._warned:
            warn_of("", [f"{content.warnings[0]} (partwise check lists every such frame)"])
            self._warned = True
        return scene

    def content(self, place: int) -> FrameContent:
        """Frame `place` with what is wrong and odd about it."""
        image = self.annotated.images[place]
        try:
            decoded = decode_frame(read_bytes(image.path), image.path, truth_size=image.size, upright=image.upright)
        except PartwiseError as error:
            return FrameContent(None, None, None, [fault_of_error(image.path, error)])
        image_HW3, remarks = decoded
        composed = compose(self._pieces(place), image.size, self.label_set, in_order=self.in_order)
        warnings = [fault_of_remark(image.path, remark) for remark in [*remarks, *composed.remarks]]
        faults = []
        if image_HW3.shape[:2] != image.size:
            size, other = image.size, image_HW3.shape[:2]
            problem = f"is {other[1]}x{other[0]}, its annotations are for {size[1]}x{size[0]}"
            faults.append(Fault(image.path, problem, "image and truth must have one size"))
        files = (self.annotated.where, self.annotated.where), image.path
        return FrameContent(image_HW3, composed.semantic_HW, composed.instance_ids_HW, faults, warnings, *files)

    def _pieces(self, place: int) -> list[Piece]:
        table, size = self.annotated.table, self.annotated.images[place].size
        pieces = []
        for n in table.of_image(place):
            label = self._labels[int(table.categories_N[n])]
            assert label is not None  # or it could not have been made
            kind = _kind(label, bool(table.crowd_N[n]), bool(table.ignored_N[n]))
            pieces.append(Piece(f"annotation {table.names_N[n]!r}", label.id, kind, table.crop(n, size)))
        return pieces


def _kind(label: Label, crowd: bool, ignored: bool) -> Kind:
    if ignored or not (label.evaluated or label.has_instances):
        return Kind.IGNORED
    if not label.has_instances:
        return Kind.STUFF
    return Kind.GROUP if crowd else Kind.THING


def _told_apart(annotated: AnnotatedImages, labels: Mapping[int, Label | None]) -> np.ndarray:
    """(N,) bool: which annotations are one instance each."""
    table = annotated.table
    things = [id_ for id_, label in labels.items() if label and label.has_instances]
    return np.isin(table.categories_N, things) & ~table.crowd_N & ~table.ignored_N


class CocoFolder(AnnotatedFolder):
    """One split of a data set in COCO form: a folder in one of the usual layouts, or one COCO file."""

    form: ClassVar[str] = "COCO"
    options: ClassVar[frozenset[str]] = frozenset({"annotations", "images", "label_set", "outside"})

    def __init__(
        self,
        root: str | os.PathLike,
        split: str,
        *,
        annotations: Path | None = None,
        images: Path | None = None,
        label_set: LabelSet | None = None,
        outside: str = BACKGROUND,
    ):
        """Read and check the annotation file of a split.

        Args:
            root: A folder in one of the usual layouts, or a COCO file.
            split: Such as "train"; "val" is also "valid" and "val2017". If there is one split, it is always meant.
            annotations: The COCO file, where it lies in no usual place.
            images: The folder of the images, where it is not found otherwise.
            label_set: The classes; those of the file without it.
            outside: "background" or "ignored": what pixels in no instance are, where the file gives the classes.

        Raises:
            FaultyDataError: With every fault of the file.
            PartwiseError: If there is no such split.
        """
        files = {one.split: one for one in annotation_files(Path(root), looks_like_coco, annotations, images)}
        found = files[find_split(split, files, str(root))]
        super().__init__(
            read_coco(found.file, found.folders), Path(root).resolve().stem, found.split, label_set, outside
        )
        self.root = Path(root)

    def coco_content(self) -> dict[str, Any]:
        """What the COCO file holds, which was checked when the split was opened."""
        return read_json(self.annotated.where)

    @classmethod
    def recognises(cls, root: Path) -> bool:
        """See DatasetFormat."""
        if root.is_file():
            return root.suffix.lower() == ".json" and looks_like_coco(root)
        return root.is_dir() and bool(annotation_files(root, looks_like_coco))

    @classmethod
    def splits(cls, root: Path, annotations: Path | None = None, images: Path | None = None) -> list[str]:
        """See DatasetFormat."""
        return in_usual_order(one.split for one in annotation_files(root, looks_like_coco, annotations, images))
