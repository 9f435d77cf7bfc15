"""What was read of one frame of a data set, with its faults, before it becomes a Scene."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from partwise.errors import PartwiseError
from partwise.scene import Scene
from streeteval.labels import LabelSet
from streeteval.reading.faults import Fault, counted, listed

__all__ = ["FaultyDataError", "FrameContent", "Survey", "first_of", "raise_faults"]


@dataclass(frozen=True, eq=False)
class FrameContent:
    """One frame as it lies there, with its faults; only without faults are its arrays fit for a Scene.

    Attributes:
        image_HW3: (H, W, 3) uint8 RGB; None where the file is damaged.
        semantic_HW: (H, W) ids of the label set; None where the file is damaged.
        instance_ids_HW: (H, W) int32, id * 1000 + number for an instance, else the bare id; None likewise.
        faults: What makes the frame unfit.
        warnings: How the frame was read where that is in doubt, and what was left out.
        truth: Where its truth lies: that of the semantic map and that of the instances.
        image: Where its image lies.
    """

    image_HW3: np.ndarray | None
    semantic_HW: np.ndarray | None
    instance_ids_HW: np.ndarray | None
    faults: list[Fault] = field(default_factory=list)
    warnings: list[Fault] = field(default_factory=list)
    truth: tuple[str, str] = ("", "")
    image: str = ""

    def arrays(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """image_HW3, semantic_HW and instance_ids_HW of a frame without faults."""
        assert self.image_HW3 is not None and self.semantic_HW is not None and self.instance_ids_HW is not None
        return self.image_HW3, self.semantic_HW, self.instance_ids_HW

    def scene(self, name: str, label_set: LabelSet) -> Scene:
        """The frame as a Scene.

        Raises:
            PartwiseError: If it has a fault.
        """
        if self.faults:
            raise PartwiseError(first_of(self.faults))
        image_HW3, semantic_HW, instance_ids_HW = self.arrays()
        return Scene(name, image_HW3, semantic_HW.astype(np.uint8), instance_ids_HW, label_set)


@dataclass(frozen=True, eq=False)
class Survey:
    """One split as it lies there, for `partwise check`.

    Attributes:
        where: The split in words, such as the folder of its truth.
        label_set: Of every frame.
        frames: How many there are.
        content: Reads a frame by its number.
        faults: What makes the split unfit, that is not one of a frame.
        warnings: What is odd about it.
    """

    where: str
    label_set: LabelSet
    frames: int
    content: Callable[[int], FrameContent]
    faults: list[Fault] = field(default_factory=list)
    warnings: list[Fault] = field(default_factory=list)


class FaultyDataError(PartwiseError):
    """Data that cannot be used: some faults of each kind in words, all of them in `faults`."""

    def __init__(self, where: str, faults: Sequence[Fault]):
        self.root, self.faults, lines = where, list(faults), listed(faults)
        self.all_shown = len(lines) == len(faults)
        head = f"{where}: {counted(len(faults), 'fault')}, so that nothing was read:"
        super().__init__("\n".join([head, *lines] if len(faults) > 1 else lines))


def raise_faults(where: str, faults: Sequence[Fault]) -> None:
    """Raise FaultyDataError if there is a fault."""
    if faults:
        raise FaultyDataError(where, faults)


def first_of(faults: Sequence[Fault]) -> str:
    """The first fault in words, and how many more there are."""
    rest = f" (and {len(faults) - 1} more: partwise check lists them)" if len(faults) > 1 else ""
    return f"{faults[0]}{rest}"
