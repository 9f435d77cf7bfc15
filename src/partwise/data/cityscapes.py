"""Cityscapes as published: leftImg8bit + gtFine, read from a folder or from the official zips, and written.

leftImg8bit/<split>/<city>/<name>_leftImg8bit.png         (or .jpg)
gtFine/<split>/<city>/<name>_gtFine_labelIds.png          8 bit, ids of the label set
gtFine/<split>/<city>/<name>_gtFine_instanceIds.png       16 bit, id * 1000 + number, or the bare id
"""

import contextlib
import operator
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path, PurePosixPath
from typing import ClassVar, TypeVar

from partwise.data.depth import instance_distances
from partwise.data.frame import FrameContent, Survey, first_of
from partwise.data.id_maps import mapped_ids
from partwise.data.image_files import OTHER_SUFFIXES, PHOTO_SUFFIXES, advice_on, decode_frame
from partwise.data.polygons.layout import holds_panoptic_files
from partwise.errors import PartwiseError
from partwise.files import atomic_write
from partwise.scene import Scene
from streeteval.errors import unknown_name, warn_of
from streeteval.labels import CITYSCAPES, LabelSet
from streeteval.reading.archive import Archive
from streeteval.reading.depth import Depth, find_depth
from streeteval.reading.faults import Fault, fault_of_error, fault_of_remark, id_faults, size_fault
from streeteval.reading.id_files import decode_ids, encode_png
from streeteval.reading.layout import has_polygons_alone
from streeteval.reading.truth import TRUTH

IMAGES = "leftImg8bit"
TREES = (IMAGES, TRUTH)
_IMAGE_ENDS = tuple(f"_{IMAGES}{suffix}" for suffix in PHOTO_SUFFIXES)
_NOT_READ = "it is not read: rename or remove it"
Decoded = TypeVar("Decoded")
_LABEL_END, _INSTANCE_END = f"_{TRUTH}_labelIds.png", f"_{TRUTH}_instanceIds.png"


@dataclass(frozen=True)
class Frame:
    """Where one frame lies: its name, and the paths of its three files in the archive."""

    name: str
    image: str
    labels: str
    instances: str


class CityscapesFolder:
    """One split of a Cityscapes tree as a sequence of Scenes, in the order of their names.

    `root` holds leftImg8bit and gtFine as folders or in zips (the official ones, or any that contain these trees).
    Reading a frame checks it; nothing is kept in memory but the list of names. It can be pickled and forked.

    Ids in the files are those of the label set; ids that it maps to a class (`Label.sources`) are that class.

    Raises PartwiseError when made: a missing root or tree, an unknown or empty split, an image without its truth.
    Raises PartwiseError when a frame is read: a damaged file, different sizes, trainIds, an unknown id. The first frame
    whose image was read by a guess (see data/rgb.py) gives a PartwiseWarning; `check` lists them all.
    """

    form: ClassVar[str] = "Cityscapes"
    options: ClassVar[frozenset[str]] = frozenset({"label_set"})

    def __init__(self, root: str | os.PathLike, split: str, label_set: LabelSet = CITYSCAPES):
        self.archive = Archive(root, TREES)
        self.split = split
        self.label_set = label_set
        self._warned = False
        self._found_depth: Depth | None = None
        self.frames, faults = find_frames(self.archive, split)
        if faults:
            raise PartwiseError(first_of(faults))

    @classmethod
    def recognises(cls, root: Path) -> bool:
        """See DatasetFormat: a folder that holds one of the trees or a zip, or a zip."""
        if root.is_dir():
            if any(root.glob("*.zip")):
                return True
            has_tree = any((root / tree).is_dir() for tree in TREES) and not has_polygons_alone(root / TRUTH)
            return has_tree and not (lacks_truth(root) and holds_panoptic_files(root))
        return root.suffix.lower() == ".zip" and root.is_file()

    @classmethod
    def splits(cls, root: Path) -> list[str]:
        """See DatasetFormat."""
        return Archive(root, TREES).splits(IMAGES)

    @classmethod
    def survey(cls, root: Path, split: str, label_set: LabelSet = CITYSCAPES) -> Survey:
        """See DatasetFormat.

        Raises:
            PartwiseError: If there is no such split, or it is empty.
        """
        archive = Archive(root, TREES)
        strays = stray_files(archive, split)
        warnings = [Fault(archive.where(path), *what) for path, what in strays]
        frames, faults = find_frames(archive, split)
        content = lambda i: read_frame(archive, frames[i], label_set)
        return Survey(archive.where(f"{TRUTH}/{split}"), label_set, len(frames), content, faults, warnings)

    @property
    def name(self) -> str:
        """See Dataset."""
        return f"{self.archive.root.resolve().name}/{self.split}"

    @property
    def names(self) -> list[str]:
        """The frames' names, such as "aachen_000000_000019", sorted."""
        return [frame.name for frame in self.frames]

    def __len__(self) -> int:
        return len(self.frames)

    def __iter__(self) -> Iterator[Scene]:
        return (self[i] for i in range(len(self)))

    def __getitem__(self, i: int) -> Scene:
        """Frame i, read and checked."""
        frame = self.frames[operator.index(i)]
        content = read_frame(self.archive, frame, self.label_set)
        scene = content.scene(frame.name, self.label_set)
        if content.warnings and not self._warned:
            warn_of("", [f"{content.warnings[0]} (partwise check lists every such frame)"])
            self._warned = True
        return replace(scene, distances=partial(instance_distances, self._depth, frame.name, scene.instance_ids_HW))

    def _depth(self) -> Depth:
        """Where the depth of the frames is, looked up when it is asked for the first time."""
        if self._found_depth is None:
            self._found_depth = find_depth(self.archive.root, self.split)
        return self._found_depth


def lacks_truth(root: Path) -> bool:
    """Check whether a folder holds no truth of Cityscapes or IDD, wherever its trees were unpacked."""
    places = (TRUTH, f"{TRUTH}/{TRUTH}", f"*/{TRUTH}", f"*/{TRUTH}/{TRUTH}")
    ends = (_LABEL_END, _INSTANCE_END, f"_{TRUTH}_polygons.json")
    return not any(next(root.glob(f"{place}/*/*/*{end}"), None) for place in places for end in ends)


def find_frames(archive: Archive, split: str) -> tuple[list[Frame], list[Fault]]:
    """Find the frames of a split.

    Args:
        archive: The files of the data set.
        split: Such as "train".

    Returns:
        The complete frames, sorted by name, and the faults of those that are not complete.

    Raises:
        PartwiseError: If the split does not exist or has no image.
    """
    splits = archive.splits(IMAGES)
    if split not in splits:
        raise unknown_name("split", split, splits)
    images = [path for path in archive.files(IMAGES, split) if path.endswith(_IMAGE_ENDS)]
    if not images:
        for path in archive.files(IMAGES, split):
            if what := _stray_image(path):
                raise PartwiseError(f"{archive.where(path)}: {what[0]}: {what[1]}")
        raise PartwiseError(
            f"{archive.root}: split {split!r} has no image: {IMAGES}/{split}/<city>/ must hold *{_IMAGE_ENDS[0]}"
        )
    truth = set(archive.files(TRUTH, split))
    frames: dict[str, Frame] = {}
    faults: list[Fault] = []
    for image in images:
        end = next(end for end in _IMAGE_ENDS if image.endswith(end))
        stem = TRUTH + image[len(IMAGES) : -len(end)]
        frame = Frame(stem.rsplit("/", 1)[1], image, stem + _LABEL_END, stem + _INSTANCE_END)
        missing = [path for path in (frame.labels, frame.instances) if path not in truth]
        for path in missing:
            faults.append(Fault(archive.where(image), f"has no truth {path}", "add that file or remove the image"))
        if frame.name in frames:
            other = archive.where(frames[frame.name].image)
            faults.append(Fault(archive.where(image), f"is there twice, also as {other}", "remove one of them"))
        elif not missing:
            frames[frame.name] = frame
    return [frames[name] for name in sorted(frames)], faults


def stray_files(archive: Archive, split: str) -> list[tuple[str, tuple[str, str]]]:
    """Find the files of a split that no frame reads: a truth without its image, an image that is not read.

    Returns:
        (path, (what it is, what to do)) of each.
    """
    images = archive.files(IMAGES, split)
    stems = {path[len(IMAGES) : -len(end)] for path in images for end in _IMAGE_ENDS if path.endswith(end)}
    strays = [(path, what) for path in images if (what := _stray_image(path))]
    for path in archive.files(TRUTH, split):
        for end in (_LABEL_END, _INSTANCE_END):
            if path.endswith(end) and path[len(TRUTH) : -len(end)] not in stems:
                strays.append((path, ("a truth without an image", _NOT_READ)))
    return strays


def _stray_image(path: str) -> tuple[str, str] | None:
    """What an image is that no frame reads, and what to do; None for any other file."""
    suffix = PurePosixPath(path).suffix
    if suffix.lower() in OTHER_SUFFIXES:
        return "an image of a format that is not read", advice_on([suffix])
    if path.lower().endswith(PHOTO_SUFFIXES) and not path.endswith(_IMAGE_ENDS):
        return "an image whose name does not end in " + _IMAGE_ENDS[0], _NOT_READ
    return None


def read_frame(archive: Archive, frame: Frame, label_set: LabelSet) -> FrameContent:
    """Read one frame and check it. Nothing is raised: whatever is wrong is among the faults."""
    semantic_HW, semantic_faults = _decoded(archive, frame.labels, decode_ids)
    instance_ids_HW, instance_faults = _decoded(archive, frame.instances, decode_ids)
    truth_size = next((ids_HW.shape for ids_HW in (semantic_HW, instance_ids_HW) if ids_HW is not None), None)
    image, faults = _decoded(archive, frame.image, partial(decode_frame, truth_size=truth_size))
    image_HW3, remarks = image or (None, [])
    faults += semantic_faults + instance_faults
    files = archive.where(frame.labels), archive.where(frame.instances)
    for file, ids_HW in zip(files, (semantic_HW, instance_ids_HW), strict=True):
        if image_HW3 is not None and ids_HW is not None and ids_HW.shape != image_HW3.shape[:2]:
            faults.append(size_fault(frame.image, image_HW3.shape[:2], file, ids_HW.shape))
    try:
        semantic_HW, instance_ids_HW = mapped_ids(semantic_HW, instance_ids_HW, label_set)
        faults += id_faults(semantic_HW, instance_ids_HW, files, label_set)
    except PartwiseError as error:
        faults.append(fault_of_error(files[0], error))
    warnings = [fault_of_remark(archive.where(frame.image), remark) for remark in remarks]
    where = archive.where(frame.image)
    return FrameContent(image_HW3, semantic_HW, instance_ids_HW, faults, warnings, files, where)


def _decoded(
    archive: Archive, path: str, decode: Callable[[bytes, str], Decoded]
) -> tuple[Decoded | None, list[Fault]]:
    """What `decode` makes of one file; None and a fault where the file is missing or damaged."""
    try:
        return decode(archive.read(path), archive.where(path)), []
    except PartwiseError as error:
        return None, [fault_of_error(archive.where(path), error)]


def write_scene(scene: Scene, root: str | os.PathLike, split: str) -> None:
    """Write a Scene in Cityscapes' format below `root`; the city is the name up to its first underscore.

    All three files appear or none does, the image last: an interrupted write never leaves an image without its truth.

    Args:
        scene: The scene.
        root: Folder of the tree; made if it is missing.
        split: Such as "train".

    Raises:
        PartwiseError: If the disk is full.
    """
    root = Path(root)
    place = f"{split}/{scene.name.split('_')[0]}/{scene.name}"
    files = {
        root / f"{IMAGES}/{place}{_IMAGE_ENDS[0]}": scene.image_HW3,
        root / f"{TRUTH}/{place}{_INSTANCE_END}": scene.instance_ids_HW,
        root / f"{TRUTH}/{place}{_LABEL_END}": scene.semantic_HW,
    }
    with contextlib.ExitStack() as stack:  # closes, and so renames, from the last to the first
        for path, pixels in files.items():
            file = stack.enter_context(atomic_write(path))
            file.write(encode_png(pixels))
            file.flush()
