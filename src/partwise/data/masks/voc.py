"""Pascal VOC: SegmentationClass and SegmentationObject, palette PNGs whose indices count.

JPEGImages/<name>.jpg                (or .png)
SegmentationClass/<name>.png         0 background, 1 to 20 classes, 255 void: borders and what is too hard
SegmentationObject/<name>.png        0, 1, 2, ... objects, 255 void
ImageSets/Segmentation/<split>.txt   names

Source: the development kit of VOC2012.
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import numpy as np
from PIL import Image

from partwise.data.image_files import OTHER_SUFFIXES, PHOTO_SUFFIXES
from partwise.data.label_sets import shipped_label_set
from partwise.data.masks.folder import MaskFolder, MaskFrame, RawTruth, frames_of, read_id_map
from partwise.data.name_forms import existing_file
from partwise.data.splits import in_usual_order
from partwise.errors import PartwiseError
from streeteval.files import text_of
from streeteval.folders import is_clutter
from streeteval.labels import LabelSet
from streeteval.reading.faults import Fault
from streeteval.reading.id_files import read_bytes

__all__ = ["VocFolder", "voc_palette"]

_VOID = 255


class VocFolder(MaskFolder):
    """One split of Pascal VOC's segmentation."""

    form: ClassVar[str] = "Pascal VOC"

    @classmethod
    def recognises(cls, root: Path) -> bool:
        """See DatasetFormat."""
        return (root / "SegmentationClass").is_dir()

    @classmethod
    def splits(cls, root: Path) -> list[str]:
        """See DatasetFormat."""
        files = (root / "ImageSets" / "Segmentation").glob("*.txt")
        return in_usual_order(path.stem for path in files if not is_clutter(path.name))

    @classmethod
    def own_label_set(cls, root: Path) -> LabelSet:
        """20 classes, the background, and void."""
        return shipped_label_set("voc")

    @classmethod
    def find_frames(cls, root: Path, split: str) -> tuple[list[MaskFrame], list[Fault]]:
        """See MaskFolder."""
        file = root / "ImageSets" / "Segmentation" / f"{split}.txt"
        lines = text_of(read_bytes(file), "replace").splitlines()
        images = [image for line in lines if line.strip() for image in _images(root, line.strip())]
        faults = [
            Fault(str(file), f"{image} is missing", "add it or remove its name")
            for image in images
            if not image.is_file()
        ]
        truth = [(root / "SegmentationClass", ".png"), (root / "SegmentationObject", ".png")]
        frames, more = frames_of([image for image in images if image.is_file()], truth)
        return frames, faults + more

    def read_truth(self, frame: MaskFrame) -> RawTruth:
        """See MaskFolder."""
        classes_HW, objects_HW = (_indices(file) for file in frame.truth)
        if classes_HW.shape != objects_HW.shape:
            raise PartwiseError(f"{frame.truth[0]}: has another size than {frame.truth[1]}: take both from VOC again")
        return RawTruth(classes_HW, np.where(objects_HW == _VOID, 0, objects_HW))


def _images(root: Path, line: str) -> list[Path]:
    """The images that a line of a list names: one, whose name may have spaces, or several with spaces between them."""
    whole, parts = _image(root, line), [_image(root, name) for name in line.split()]
    return parts if not whole.is_file() and any(part.is_file() for part in parts) else [whole]


def _image(root: Path, name: str) -> Path:
    """The image of a name, as .jpg where there is none."""
    folder = root / "JPEGImages"
    suffixes = (".jpg", *PHOTO_SUFFIXES, *OTHER_SUFFIXES)
    ends = (end for suffix in suffixes for end in (suffix, suffix.upper()))
    found = (existing_file(folder, f"{name}{end}") for end in ends)
    return Path(next(filter(None, found), folder / f"{name}.jpg"))


def _indices(file: Path) -> np.ndarray:
    """(H, W) int32 of a PNG with VOC's palette, or of a grey one with indices.

    Raises:
        PartwiseError: If it has another palette, or colours instead of indices.
    """
    indices_HW = read_id_map(file)
    with Image.open(file) as image:
        palette = image.getpalette() if image.mode == "P" else None
    if palette is not None:
        for value in np.unique(indices_HW).tolist():
            colour, expected = tuple(palette[3 * value : 3 * value + 3]), voc_palette()[value]
            if colour != tuple(expected.tolist()):
                raise PartwiseError(
                    f"{file}: colour {value} of its palette is {colour}, that of VOC {tuple(expected.tolist())}: "
                    "write the mask with VOC's palette, or as grey values"
                )
    return indices_HW


def voc_palette() -> np.ndarray:
    """(256, 3) uint8: VOC's colours; bit i of an index is bit 7 - i // 3 of colour i % 3.

    >>> voc_palette()[[0, 1, 15, 255]].tolist()
    [[0, 0, 0], [128, 0, 0], [192, 128, 128], [224, 224, 192]]
    """
    indices = np.arange(256)
    colours = np.zeros((256, 3), np.uint8)
    for bit in range(8):
        colours[:, bit % 3] |= ((indices >> bit & 1) << (7 - bit // 3)).astype(np.uint8)
    return colours
