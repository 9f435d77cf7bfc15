"""Find what is wrong with the truth of one frame: each fault with file, value, pixels and remedy."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from streeteval.errors import InputError
from streeteval.labels import INSTANCE_FACTOR, LabelSet
from streeteval.rle import joint_runs

_TRAIN_IDS_REMEDY = "give the labelIds files, or convert with the id column of Cityscapes' label table"
_INSTANCE_REMEDY = "instanceIds are id * 1000 + number for a thing, else the bare id"


@dataclass(frozen=True)
class Fault:
    """One fault, or one warning of a report. `str()` gives one line for a person.

    Attributes:
        file: Path of the file.
        problem: What is wrong with it.
        remedy: What to do.
        value: The value that is wrong; None if there is no such value.
        pixels: How many pixels have this value; None if the fault is not one of pixels.
    """

    file: str
    problem: str
    remedy: str
    value: int | None = None
    pixels: int | None = None

    def __str__(self) -> str:
        pixels = "" if self.pixels is None else f" ({self.pixels} pixel{'' if self.pixels == 1 else 's'})"
        return f"{self.file}: {self.problem}{pixels}: {self.remedy}"


SHOWN_OF_A_KIND = 5


def listed(faults: Sequence[Fault], shown: int = SHOWN_OF_A_KIND) -> list[str]:
    """Write faults as lines for a person, the most frequent kind first.

    Faults with the same `remedy` are of one kind. A single fault beyond `shown` is shown as well, so that there are as
    many lines as faults only if all faults are shown.

    Args:
        faults: Any faults.
        shown: How many of each kind are shown; a line says how many more there are.

    >>> cut = [Fault(name, "is cut", "copy it again") for name in "bcde"]
    >>> for line in listed([Fault("a", "is 1x1", "crop it"), *cut], shown=2):
    ...     print(line)
    b: is cut: copy it again
    c: is cut: copy it again
    and 2 more of this kind: copy it again
    a: is 1x1: crop it
    """
    kinds: dict[str, list[Fault]] = {}
    for fault in faults:
        kinds.setdefault(fault.remedy, []).append(fault)
    lines: list[str] = []
    for remedy, of_kind in sorted(kinds.items(), key=lambda item: -len(item[1])):
        more = len(of_kind) - shown if len(of_kind) > shown + 1 else 0
        lines += map(str, of_kind[: len(of_kind) - more])
        if more:
            lines.append(f"and {more} more of this kind: {remedy}")
    return lines


def by_place(faults: Sequence[Fault]) -> list[Fault]:
    """Sort faults by their files; numbers in the names count as numbers.

    >>> [fault.file for fault in by_place([Fault(f"a_{n}.txt:{n}", "is cut", "copy it again") for n in (10, 2)])]
    ['a_2.txt:2', 'a_10.txt:10']
    """
    return sorted(faults, key=lambda fault: [int(x) if x.isdecimal() else x for x in re.split(r"(\d+)", fault.file)])


def counted(number: int, what: str) -> str:
    """Write a number with its noun.

    >>> counted(1, "fault"), counted(2, "fault")
    ('1 fault', '2 faults')
    """
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def fault_of_error(file: str, error: InputError) -> Fault:
    """Turn an error "file: problem: remedy" into a fault of this file."""
    problem, _, remedy = str(error).removeprefix(f"{file}: ").rpartition(": ")
    return Fault(file, problem, remedy)


def fault_of_remark(file: str, remark: str) -> Fault:
    """Turn a remark "what: what to do" about a file into a warning."""
    problem, _, remedy = remark.rpartition(": ")
    return Fault(file, problem, remedy)


def size_fault(image_file: str, image_size: tuple[int, int], file: str, size: tuple[int, int]) -> Fault:
    """Return the fault of a truth whose size is not that of its image; both sizes are (H, W)."""
    return Fault(
        file,
        f"is {size[1]}x{size[0]}, its image {image_file} is {image_size[1]}x{image_size[0]}",
        "image and truth must have one size",
    )


def id_faults(
    semantic_HW: np.ndarray | None,
    instance_ids_HW: np.ndarray | None,
    files: tuple[str, str],
    label_set: LabelSet,
) -> list[Fault]:
    """Find every fault of the ids of one frame.

    Args:
        semantic_HW: (H, W) int32 labelIds with any values; None if they could not be read.
        instance_ids_HW: (H, W) int32 instanceIds with any values; None if they could not be read.
        files: Names of the two files.
        label_set: The classes that the ids should name.

    Returns:
        One fault for each unknown value. trainIds in place of labelIds are one fault together.
    """
    faults = []
    if semantic_HW is not None:
        faults += _semantic_faults(semantic_HW, instance_ids_HW, files[0], label_set)
    if instance_ids_HW is not None:
        counts, negative = _counts(instance_ids_HW, files[1])
        faults += negative
        for value in np.flatnonzero(counts).tolist():
            problem = _instance_problem(value, label_set)
            if problem:
                faults.append(Fault(files[1], problem, _INSTANCE_REMEDY, value, int(counts[value])))
    return faults


def _semantic_faults(
    semantic_HW: np.ndarray, instance_ids_HW: np.ndarray | None, file: str, label_set: LabelSet
) -> list[Fault]:
    """Find the faults of the labelIds of one frame; see `id_faults`."""
    counts, faults = _counts(semantic_HW, file)
    if _are_train_ids(semantic_HW, instance_ids_HW, counts, label_set):
        problem = f"these are trainIds, not labelIds (largest value {counts.size - 1})"
        return [Fault(file, problem, _TRAIN_IDS_REMEDY, counts.size - 1, int(counts.sum()))]
    remedy = f"{label_set.name} has the ids {min(label_set.by_id)} to {max(label_set.by_id)}"
    for value in np.flatnonzero(counts).tolist():
        if value not in label_set.by_id:
            faults.append(Fault(file, f"unknown id {value}", remedy, value, int(counts[value])))
    return faults


def _counts(ids_HW: np.ndarray, file: str) -> tuple[np.ndarray, list[Fault]]:
    """Count the pixels of each value.

    Returns:
        (values,) int64 pixels of each value from 0 up, and the faults of values that are no ids: below 0 or above 20
        bits, which only files of 32 bits can hold.
    """
    starts, lengths = joint_runs(ids_HW)
    values = ids_HW.reshape(-1)[starts]
    inside = (values >= 0) & (values < 1 << 20)
    faults = [
        Fault(
            file,
            f"id {value} is no id at all",
            "ids are 0 and above, and fit 16 bits",
            value,
            int(lengths[values == value].sum()),
        )
        for value in np.unique(values[~inside]).tolist()
    ]
    return np.bincount(values[inside], weights=lengths[inside]).astype(np.int64), faults


def _are_train_ids(
    semantic_HW: np.ndarray, instance_ids_HW: np.ndarray | None, counts: np.ndarray, label_set: LabelSet
) -> bool:
    """Decide whether a map holds train ids instead of label ids.

    Only train ids (0..C-1 and 255, C evaluated classes) may occur. In addition, 255 or the instanceIds must prove that
    they are meant as train ids.
    """
    classes = len(label_set.evaluated)
    if counts[classes:255].any() or counts[256:].any():
        return False
    if counts[255:].any():
        return True
    if instance_ids_HW is None or semantic_HW.shape != instance_ids_HW.shape or counts.size == 0:
        return False
    implied = implied_ids(instance_ids_HW).clip(0, 255)
    as_train_ids = np.count_nonzero(label_set.id_to_train_id[implied] == semantic_HW)
    as_ids = np.count_nonzero(implied == semantic_HW)
    return bool(as_train_ids > semantic_HW.size / 2 > as_ids)


def implied_ids(instance_ids_HW: np.ndarray) -> np.ndarray:
    """Return the semantic ids that instanceIds imply: value // 1000 for an instance, else the value.

    >>> implied_ids(np.array([7, 26, 26003]))
    array([ 7, 26, 26])
    """
    return np.where(instance_ids_HW < INSTANCE_FACTOR, instance_ids_HW, instance_ids_HW // INSTANCE_FACTOR)


def _instance_problem(value: int, label_set: LabelSet) -> str | None:
    """Say what is wrong with one value of instanceIds; None if nothing is."""
    label = label_set.by_id.get(value if value < INSTANCE_FACTOR else value // INSTANCE_FACTOR)
    if label is None:
        return f"unknown id {value}"
    if value >= INSTANCE_FACTOR and not label.has_instances:
        return f"instance {value} of the class {label.name!r}, which has no instances"
    return None
