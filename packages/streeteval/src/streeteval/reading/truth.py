"""Read the truth of a Cityscapes tree without its images: all that result files are scored against."""

from __future__ import annotations

import operator
import os
from collections.abc import Callable, Collection, Sequence
from itertools import pairwise

import numpy as np

from streeteval.errors import InputError, unknown_name
from streeteval.labels import CITYSCAPES, IGNORED_TRAIN_ID, LabelSet
from streeteval.reading.archive import Archive
from streeteval.reading.faults import id_faults
from streeteval.reading.id_files import decode_ids
from streeteval.scene import Scenes, Truth

TRUTH = "gtFine"
_ENDS = _LABEL_END, _INSTANCE_END = f"_{TRUTH}_labelIds.png", f"_{TRUTH}_instanceIds.png"


class TruthFolder(Sequence):
    """One split of gtFine (a folder, or zips that hold it) as a sequence of `Truth`, in the order of their names.

    The images are neither read nor needed. Reading a frame checks its ids. It can be pickled.

    Raises:
        InputError: When made, if there is no gtFine, the split is unknown or empty, or a frame has only one of its
            two files. When a frame is read, if a file is damaged, sizes differ, or ids are train ids or unknown.
    """

    def __init__(self, root: str | os.PathLike, split: str, label_set: LabelSet = CITYSCAPES):
        self.archive, self.split = Archive(root, (TRUTH,)), split
        self.label_set = label_set
        splits = self.archive.splits(TRUTH)
        if split not in splits:
            raise unknown_name("split", split, splits, self.archive.where(TRUTH))
        files = set(self.archive.files(TRUTH, split))
        self.stems = sorted(_stems(files), key=lambda stem: (_name_of(stem), stem))
        if not self.stems:
            raise InputError(
                f"{self.archive.root}: split {split!r} has no truth: {TRUTH}/{split}/<city>/ must hold *{_LABEL_END} "
                f"and *{_INSTANCE_END}"
            )
        twice = next((a for a, b in pairwise(self.stems) if _name_of(a) == _name_of(b)), None)
        if twice:
            place = self.archive.where(twice + _LABEL_END)
            raise InputError(f"{place}: a frame of this name is in two cities: give every frame a name of its own")
        missing = [stem + end for stem in self.stems for end in _ENDS if stem + end not in files]
        if missing:
            more = f" (and {len(missing) - 1} more)" if len(missing) > 1 else ""
            raise InputError(f"{self.archive.where(missing[0])}: is missing beside its other half{more}: add it")

    @property
    def names(self) -> list[str]:
        """The frames' names, such as "aachen_000000_000019", sorted."""
        return [_name_of(stem) for stem in self.stems]

    @property
    def names_elsewhere(self) -> dict[str, list[str]]:
        """The names of the frames of every other split, by split."""
        others = (split for split in self.archive.splits(TRUTH) if split != self.split)
        return {split: sorted(map(_name_of, _stems(self.archive.files(TRUTH, split)))) for split in others}

    def __len__(self) -> int:
        return len(self.stems)

    def __getitem__(self, i: int) -> Truth:  # type: ignore[override]  # takes no slices
        """Return the truth of frame i, read and checked."""
        stem = self.stems[operator.index(i)]
        paths = stem + _LABEL_END, stem + _INSTANCE_END
        places = self.archive.where(paths[0]), self.archive.where(paths[1])
        semantic_HW, instance_ids_HW = (
            decode_ids(self.archive.read(path), place) for path, place in zip(paths, places, strict=True)
        )
        faults = id_faults(semantic_HW, instance_ids_HW, places, self.label_set)
        if faults:
            raise InputError(str(faults[0]))
        return Truth(_name_of(stem), semantic_HW.astype(np.uint8), instance_ids_HW, self.label_set)


def require_truth(scenes: Scenes, what: str, progress: Callable[[int, int], None] = lambda done, total: None) -> None:
    """Check that there is something to learn or to score against; reads on to the first scene that has it.

    Args:
        scenes: Scenes with their truth.
        what: The data in words, such as "/data/city, split test".
        progress: Called with how many scenes were looked at, and how many there are.

    Raises:
        InputError: If no scene has a pixel of a class that is evaluated.
    """
    for i in range(len(scenes)):
        scene = scenes[i]
        if (scene.label_set.id_to_train_id[scene.semantic_HW] != IGNORED_TRAIN_ID).any():
            return
        progress(i + 1, len(scenes))
    raise InputError(
        f"{what}: no pixel of an evaluated class in its {len(scenes)} frames, so there is nothing to learn or to score "
        "against (the truth of Cityscapes' test split is not public): take another split, such as val, or send result "
        "files to the benchmark's server"
    )


def _stems(files: Collection[str]) -> set[str]:
    """Return the paths of frames without what follows their names, from the paths of their files."""
    return {path.removesuffix(end) for path in files for end in _ENDS if path.endswith(end)}


def _name_of(stem: str) -> str:
    """Return the name of a frame from its path."""
    return stem.rsplit("/", 1)[1]
