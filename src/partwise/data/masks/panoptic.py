"""COCO's panoptic form: a PNG of segments for each image, and a JSON with the class of each segment.

annotations/panoptic_<split>.json               also NAME_panoptic_<split>.json, or another name, in any folder
annotations/panoptic_<split>/<name>.png         R + 256 G + 65536 B is the segment, 0 is void
<split>/<name>.jpg                              also images/<split>/, images/, leftImg8bit/<split>/<city>/

Source: cocodataset.org/#format-data; cityscapesScripts, createPanopticImgs.py, writes it, too.

Axes: H W image, R runs, S segments of all frames, K segments of a frame and before them void.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import numpy as np

from partwise.data.cityscapes import IMAGES, TREES, lacks_truth
from partwise.data.frame import Survey
from partwise.data.masks.bdd100k import Bdd100kFolder
from partwise.data.masks.frames import MaskFrame, MaskFrames, RawTruth
from partwise.data.masks.kitti import KittiFolder
from partwise.data.masks.panoptic_file import SegmentFrame, read_panoptic
from partwise.data.masks.vistas import VistasFolder
from partwise.data.masks.voc import VocFolder
from partwise.data.polygons.classes import classes_in, label_set_of, lacking, too_many
from partwise.data.polygons.dataset import CocoFolder
from partwise.data.polygons.layout import AnnotationFile, annotation_files, holds_panoptic_files, looks_like_panoptic
from partwise.data.polygons.yolo import YoloFolder
from partwise.data.splits import find_split, folders_of_split, in_usual_order
from streeteval.labels import LabelSet
from streeteval.official.segment_files import read_segments
from streeteval.reading.faults import Fault
from streeteval.rle import joint_runs

__all__ = ["PanopticFolder"]

# Panoptic files are made from data of these forms.
_OTHER_FORMS = (CocoFolder, YoloFolder, VocFolder, VistasFolder, KittiFolder, Bdd100kFolder)
_TRAIN_IDS = "_trainId"  # cityscapesScripts' end of names
_SHOWN_IDS = 5


class PanopticFolder(MaskFrames):
    """One split of a data set in COCO's panoptic form: a folder in one of the usual layouts, or one JSON."""

    form: ClassVar[str] = "COCO panoptic"
    options: ClassVar[frozenset[str]] = frozenset({"annotations", "images", "label_set"})
    classes_by_name: ClassVar[bool] = True

    def __init__(
        self,
        root: str | os.PathLike,
        split: str,
        *,
        annotations: Path | None = None,
        images: Path | None = None,
        label_set: LabelSet | None = None,
        complete: bool = True,
    ):
        """Read and check the JSON of a split.

        Args:
            root: A folder in one of the usual layouts, or a JSON of the form.
            split: Such as "train"; "val" is also "valid" and "val2017". If there is one split, it is always meant.
            annotations: The JSON, where it lies in no usual place.
            images: The folder of the images, where it is not found otherwise.
            label_set: The classes; those of the file without it.
            complete: Whether a fault is an error; if not, images with one are left out.

        Raises:
            FaultyDataError: With every fault of the file.
            PartwiseError: If there is no such split, or the file is no JSON.
        """
        place = Path(root)
        files = {one.split: one for one in annotation_files(place, looks_like_panoptic, annotations, images)}
        found = files[find_split(split, files, str(root))]
        folders = tuple(_image_folders(found)) if images is None else (images,)
        read = read_panoptic(found.file, folders, tuple(_truth_folders(found.file)))
        where, categories, segments = str(found.file), read.categories, read.segments
        ids_S = np.array([one.id for one in categories], np.int64)[segments.categories_S]
        chosen = label_set or label_set_of(categories, set(ids_S.tolist()), place.resolve().stem, "ignored")
        labels = classes_in(chosen, categories)
        things = [one.id for one in categories if (label := labels[one.id]) and label.has_instances]
        told_S = np.isin(ids_S, things) & ~segments.crowd_S
        names = [frame.name for frame in sorted(read.frames, key=lambda frame: frame.place)]
        crowded = dict(too_many(segments.frame_places[told_S], ids_S[told_S], labels, names, where))
        faults = [*read.faults, *lacking(categories, ids_S, labels, chosen, where), *crowded.values()]
        frames = [frame for frame in read.frames if frame.place not in crowded]
        table = np.full(len(categories) + 1, chosen.void_id, np.int32)  # a class that is lacking is one fault above
        for number, one in enumerate(categories, 1):
            if (label := labels[one.id]) is not None:
                table[number] = label.id
        super().__init__(place, found.split, chosen, (frames, faults), table, complete=complete)
        self._segments = segments
        self.notes = read.notes

    @classmethod
    def recognises(cls, root: Path) -> bool:
        """See DatasetFormat: a folder with truth of another form is read in that one."""
        if root.is_file():
            return root.suffix.lower() == ".json" and looks_like_panoptic(root)
        if not holds_panoptic_files(root):
            return False
        has_trees = any((root / tree).is_dir() for tree in TREES) and not lacks_truth(root)
        return not has_trees and not any(form.recognises(root) for form in _OTHER_FORMS)

    @classmethod
    def splits(cls, root: Path, annotations: Path | None = None, images: Path | None = None) -> list[str]:
        """See DatasetFormat."""
        return in_usual_order(one.split for one in annotation_files(root, looks_like_panoptic, annotations, images))

    @classmethod
    def survey(
        cls,
        root: Path,
        split: str,
        label_set: LabelSet | None = None,
        annotations: Path | None = None,
        images: Path | None = None,
    ) -> Survey:
        """See DatasetFormat: the images without a fault in the JSON, and the faults of the others.

        Raises:
            FaultyDataError: If the list of categories has a fault.
            PartwiseError: If there is no such split, or it is empty.
        """
        given = {"annotations": annotations, "images": images}
        return cls(root, split, label_set=label_set, complete=False, **given).surveyed()

    @property
    def instance_count(self) -> int:
        """Segments that are one instance of an evaluated class, in all frames."""
        ids_S = self._table[self._segments.categories_S + 1]
        told_S = np.isin(ids_S, [label.id for label in self.label_set.things]) & ~self._segments.crowd_S
        return int(told_S.sum())

    def read_truth(self, frame: MaskFrame) -> RawTruth:
        """See MaskFrames: the numbers of classes are places in the list of categories, from 1 on."""
        assert isinstance(frame, SegmentFrame)
        mine = self._segments.of_frame(frame.place)
        segments_HW = read_segments(frame.truth[0])
        ids_K = np.concatenate([[0], self._segments.ids_S[mine]])
        classes_K = np.concatenate([[0], self._segments.categories_S[mine] + 1]).astype(np.int32)
        keys_K = np.arange(len(ids_K), dtype=np.int32)
        keys_K[1:][self._segments.crowd_S[mine]] = 0
        starts, lengths_R = joint_runs(segments_HW)
        values_R = segments_HW.reshape(-1)[starts]
        places_R = np.searchsorted(ids_K, values_R).clip(max=len(ids_K) - 1)
        known_R = ids_K[places_R] == values_R
        found_K = np.bincount(places_R[known_R], minlength=len(ids_K))
        absent = ids_K[1:][found_K[1:] == 0]
        faults = list(_id_faults(str(frame.truth[0]), values_R[~known_R], lengths_R[~known_R], absent))
        classes_HW, keys_HW = (
            np.repeat(of_K[places_R], lengths_R).reshape(segments_HW.shape) for of_K in (classes_K, keys_K)
        )
        return RawTruth(classes_HW, keys_HW, faults=faults)


def _id_faults(file: str, unknown_R: np.ndarray, lengths_R: np.ndarray, absent: np.ndarray) -> Iterator[Fault]:
    """Where a PNG and the JSON differ: ids of the PNG alone, with the lengths of their runs, and of the JSON alone."""
    if len(unknown_R):
        values = np.unique(unknown_R)
        remedy = "write each segment of the PNG, R + 256 G + 65536 B, into segments_info"
        pixels = int(lengths_R.sum())
        yield Fault(file, f"{_in_words(values)} not in segments_info", remedy, int(values[0]), pixels)
    if len(absent):
        remedy = "remove it from segments_info, or correct the PNG"
        yield Fault(file, f"{_in_words(absent)} in segments_info, but in no pixel", remedy, int(absent[0]), 0)


def _in_words(ids: np.ndarray) -> str:
    """Say which segments something is true of.

    >>> _in_words(np.array([7])), _in_words(np.arange(7))
    ('segment 7 is', 'segments 0, 1, 2, 3, 4 and 2 more are')
    """
    shown = ", ".join(map(str, ids[:_SHOWN_IDS].tolist()))
    more = f" and {len(ids) - _SHOWN_IDS} more" if len(ids) > _SHOWN_IDS else ""
    return f"segment {shown} is" if len(ids) == 1 else f"segments {shown}{more} are"


def _truth_folders(file: Path) -> Iterator[Path]:
    """Where the PNGs of a JSON may lie, the most likely folder first."""
    yield from dict.fromkeys(
        (
            file.with_suffix(""),
            file.parent.parent / file.stem,
            file.with_name(file.stem.removesuffix(_TRAIN_IDS)),
            file.parent,
        )
    )


def _image_folders(one: AnnotationFile) -> Iterator[Path]:
    """Where the images of a JSON may lie, the most likely folder first."""
    beside, above = one.file.parent, one.file.parent.parent
    split = one.split.removesuffix(_TRAIN_IDS)
    found = []
    for base in (above, beside) if beside.name == "annotations" else (beside, above):
        found += [base / split, base / "images" / split]
        for folder in (base, base / "images", base / IMAGES):
            found += folders_of_split(folder, split)
        found.append(base / "images")
    yield from dict.fromkeys((*found, *one.folders, above.parent / "images"))
