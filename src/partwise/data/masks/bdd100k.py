"""BDD100K's bitmasks: instance segmentation, or panoptic segmentation where that is there.

images/10k/<split>/<name>.jpg
labels/ins_seg/bitmasks/<split>/<name>.png      RGBA of 8 bits; also labels/pan_seg/bitmasks

Red is the class; green has four bits: truncated, occluded, crowd, ignored, the last the lowest; blue * 256 + alpha is
the number of the instance. Source: bdd100k, doc/source/format.rst and common/bitmask.py.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import ClassVar

import numpy as np
from PIL import Image

from partwise.data.label_sets import shipped_label_set
from partwise.data.masks.folder import MaskFolder, MaskFrame, RawTruth, frames_of, images_in
from partwise.data.splits import in_usual_order
from partwise.errors import PartwiseError
from streeteval.labels import LabelSet
from streeteval.reading.faults import Fault
from streeteval.reading.id_files import read_bytes

__all__ = ["Bdd100kFolder"]

_CROWD, _IGNORED = 2, 1
_LABEL_SETS = {"pan_seg": "bdd100k_panoptic", "ins_seg": "bdd100k"}  # by folder, the one that is read first


class Bdd100kFolder(MaskFolder):
    """One split of BDD100K."""

    form: ClassVar[str] = "BDD100K"

    @classmethod
    def recognises(cls, root: Path) -> bool:
        """See DatasetFormat."""
        return any((root / "labels" / folder / "bitmasks").is_dir() for folder in _LABEL_SETS)

    @classmethod
    def splits(cls, root: Path) -> list[str]:
        """See DatasetFormat."""
        folder = _bitmasks(root)
        return in_usual_order(path.name for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))

    @classmethod
    def own_label_set(cls, root: Path) -> LabelSet:
        """Eight classes of road users and the background; with panoptic truth its 40."""
        return shipped_label_set(_LABEL_SETS[_bitmasks(root).parent.name])

    @classmethod
    def find_frames(cls, root: Path, split: str) -> tuple[list[MaskFrame], list[Fault]]:
        """See MaskFolder: images without truth are no fault, for the instances cover fewer images than there are."""
        truth = _bitmasks(root) / split
        with_truth = {path.stem for path in truth.glob("*.png")} if truth.is_dir() else set()
        images = next(
            (found for size in ("10k", "100k", "") if (found := images_in(root / "images" / size / split))), []
        )
        frames, faults = frames_of([path for path in images if path.stem in with_truth], [(truth, ".png")])
        lost = with_truth - {path.stem for path in images}
        faults += [
            Fault(str(truth / f"{name}.png"), "has no image", f"put it into {root / 'images' / '10k' / split}")
            for name in sorted(lost)
        ]
        return frames, faults

    def read_truth(self, frame: MaskFrame) -> RawTruth:
        """See MaskFolder."""
        planes_HW4 = _planes(frame.truth[0])
        if planes_HW4.ndim != 3 or planes_HW4.shape[2] != 4:
            raise PartwiseError(f"{frame.truth[0]}: not RGBA: give BDD100K's bitmasks, not its colour maps")
        classes_HW, flags_HW = planes_HW4[..., 0].astype(np.int32), planes_HW4[..., 1]
        keys_HW = planes_HW4[..., 2].astype(np.int32) * 256 + planes_HW4[..., 3]
        keys_HW[(flags_HW & _CROWD) != 0] = 0
        return RawTruth(classes_HW, keys_HW, (flags_HW & _IGNORED) != 0)


def _planes(file: Path) -> np.ndarray:
    """The samples of a PNG as they are stored: (H, W, 4) uint8 of RGBA.

    Raises:
        PartwiseError: If it is missing or damaged.
    """
    try:
        with Image.open(io.BytesIO(read_bytes(file)), formats=("PNG",)) as image:
            return np.asarray(image)
    except PartwiseError:
        raise
    except Exception as error:  # of a damaged file Pillow raises nearly anything
        raise PartwiseError(f"{file}: the PNG cannot be read ({error}): copy it again") from None


def _bitmasks(root: Path) -> Path:
    folders = [root / "labels" / name / "bitmasks" for name in _LABEL_SETS]
    return next((folder for folder in folders if folder.is_dir()), folders[-1])
