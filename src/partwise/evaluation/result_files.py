"""Any tool's result files, in the benchmark's submission form: found, read back and checked line by line.

<anywhere>/<id>*.txt             a line an instance: mask path (from the .txt), label id, confidence, one space between
<anywhere>/<id>*labelIds.png     8 bit label ids at the size of the image
Nothing here raises for a fault in the files: every fault becomes one line of a list, so that one pass shows them all.
Source: cityscapesScripts 2.3.0, head of evalInstanceLevelSemanticLabeling.py and of evalPixelLevelSemanticLabeling.py.
"""

from __future__ import annotations

import bisect
import math
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from partwise.errors import PartwiseError
from partwise.evaluation.mask_png import plain_mask
from partwise.files import expanded
from partwise.folders import is_clutter
from partwise.instances import Instances
from partwise.labels import LabelSet
from partwise.runs import value_counts

INSTANCE_END, PIXEL_END = ".txt", "labelIds.png"


@dataclass(frozen=True)
class ResultFiles:
    """The result files under `root`: sorted (name, path) of each kind."""

    root: Path
    instance: list[tuple[str, Path]]
    pixel: list[tuple[str, Path]]

    @classmethod
    def find(cls, root: str | os.PathLike) -> ResultFiles:
        """Walk a folder. Raises PartwiseError if it is none or unreadable, or if neither kind of file is in it."""
        root = Path(os.path.abspath(expanded(root)))  # noqa: PTH100 - as the official tool: links are not followed
        if not root.is_dir():
            raise PartwiseError(f"{root}: no such folder: give the folder of the result files")
        found = {INSTANCE_END: [], PIXEL_END: []}
        for folder, folders, names in os.walk(root, onerror=_unreadable):
            folders[:] = [name for name in folders if not is_clutter(name)]
            for name in names:
                if is_clutter(name):
                    continue
                for end, files in found.items():
                    path = Path(folder) / name
                    if name.endswith(end) and path.is_file():  # a pipe might keep us waiting
                        files.append((name, path))
        if not any(found.values()):
            raise PartwiseError(
                f"{root}: neither <id>*{INSTANCE_END} (instances) nor <id>*{PIXEL_END} (pixels) in it or below: "
                "give the folder of the result files"
            )
        return cls(root, sorted(found[INSTANCE_END]), sorted(found[PIXEL_END]))

    def instance_file(self, name: str, faults: list[str]) -> Path | None:
        """The one .txt of an image; otherwise a fault and None."""
        return self._one(self.instance, name, INSTANCE_END, faults)

    def pixel_file(self, name: str, faults: list[str]) -> Path | None:
        """The one labelIds.png of an image; otherwise a fault and None."""
        return self._one(self.pixel, name, PIXEL_END, faults)

    def _one(self, files: list[tuple[str, Path]], name: str, end: str, faults: list[str]) -> Path | None:
        own = []
        for found, path in files[bisect.bisect_left(files, (name,)) :]:
            if not found.startswith(name):
                break
            if not found[len(name)].isdigit():  # frame_1 must not take the file of frame_10
                own.append(path)
        if len(own) == 1:
            return own[0]
        if own:
            several = ", ".join(str(path.relative_to(self.root)) for path in own)
            faults.append(f"{name}: {len(own)} files {name}*{end} ({several}): keep one")
        else:
            faults.append(f"{name}: no file {name}*{end} under {self.root}: every image of the split needs one")
        return None


def _unreadable(error: OSError) -> None:
    reason = (error.strerror or str(error)).lower()
    raise PartwiseError(f"{error.filename}: this folder cannot be read: {reason}: change its permissions") from None


@dataclass(frozen=True)
class PredictedLine:
    """One line of a .txt that holds: where the mask lies, its class and confidence, and where the line stands."""

    mask: Path
    label: int
    score: float
    place: str


def read_lines(path: Path, root: Path, label_set: LabelSet, faults: list[str]) -> list[PredictedLine]:
    """The lines of a .txt that hold; every other one adds a fault."""
    data = _content(path, str(path), faults)
    if data is None:
        return []
    if b"\r" in data:
        faults.append(f"{path}: Windows line ends (CR): end lines with LF only, for example with dos2unix")
    try:
        text = data.decode("utf-8").replace("\r", "")
    except UnicodeDecodeError as error:
        faults.append(f"{path}: byte {data[error.start]:#04x} at {error.start} is not UTF-8: write plain text")
        return []
    lines, seen = [], {}
    for number, line in enumerate(text.split("\n")[: -1 if text.endswith("\n") else None], 1):
        if not text:
            break
        place = f"{path}:{number}"
        parsed = _parse(line, place, path, root, label_set, faults)
        if parsed is None:
            continue
        if parsed.mask in seen:
            faults.append(f"{place}: mask {parsed.mask.name} is already in line {seen[parsed.mask]}: one line a mask")
            continue
        seen[parsed.mask] = number
        lines.append(parsed)
    return lines


def _parse(
    line: str, place: str, path: Path, root: Path, label_set: LabelSet, faults: list[str]
) -> PredictedLine | None:
    """One line, or None and one fault or more."""
    fields = line.split(" ")
    if len(fields) != 3:
        faults.append(
            f"{place}: {len(fields)} fields in {line!r} instead of 3 (mask path, label id, confidence): "
            "put one space between them and none into names"
        )
        return None
    before = len(faults)
    mask = _mask_path(fields[0], place, path, root, faults)
    label = _label_id(fields[1], place, label_set, faults)
    score = _number(fields[2])
    if score is None:
        faults.append(f"{place}: confidence {fields[2]!r} is no finite number")
    return None if len(faults) > before else PredictedLine(mask, label, score, place)


def _mask_path(text: str, place: str, path: Path, root: Path, faults: list[str]) -> Path | None:
    if os.path.isabs(text):  # noqa: PTH117 - of a text, not of a file
        faults.append(f"{place}: mask path {text!r} is absolute: give it relative to the .txt")
        return None
    mask = Path(os.path.normpath(path.parent / text))
    if not mask.is_relative_to(root):
        faults.append(f"{place}: mask path {text!r} leaves the folder {root}: keep masks inside it")
    elif not os.path.isfile(mask):  # noqa: PTH113 - which is no error for a name that is too long
        faults.append(f"{place}: mask {text!r} does not exist")
    else:
        return mask
    return None


def _label_id(text: str, place: str, label_set: LabelSet, faults: list[str]) -> int | None:
    number = _number(text)
    if number is not None and number.is_integer() and any(int(number) == label.id for label in label_set.things):
        return int(number)
    known = label_set.by_id.get(int(number)) if number is not None and number.is_integer() else None
    of = f" ({known.name})" if known else ""
    ids = ", ".join(f"{label.id} {label.name}" for label in label_set.things)
    faults.append(f"{place}: label id {text!r}{of} is no class with instances: {ids}")
    return None


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def read_instances(
    lines: list[PredictedLine], size: tuple[int, int], faults: list[str]
) -> tuple[Instances, np.ndarray]:
    """The masks of an image's lines as (Instances, float64 confidences); empty masks are left out, as officially.

    A mask that is no image or of another size than `size` (H, W) adds a fault.
    """
    labels, scores, boxes, masks = [], [], [], []
    for line in lines:
        found = _read_mask(line, size, faults)
        if found is not None:
            labels.append(line.label)
            scores.append(line.score)
            boxes.append(found[0])
            masks.append(found[1])
    return Instances(labels, scores, boxes, masks, size), np.array(scores, np.float64)


def _read_mask(line: PredictedLine, size: tuple[int, int], faults: list[str]):
    """(box, crop) of a mask; None where it is empty or has a fault."""
    data = _content(line.mask, f"{line.place}: mask {line.mask.name}", faults)
    if data is None:
        return None
    plain = plain_mask(data, size)
    if plain is not None:
        return plain if plain[1].size else None
    image = _open(line.mask, size, f"{line.place}: mask", faults)
    # As the official tool: converted to grey, non-zero is inside.
    box = image and image.getbbox()
    return (box, np.asarray(image.crop(box)) != 0) if box else None


def _content(path: Path, what: str, faults: list[str]) -> bytes | None:
    """The bytes of a file, or a fault and None where the system does not give them."""
    try:
        return path.read_bytes()
    except OSError as error:
        faults.append(f"{what} cannot be read: {(error.strerror or str(error)).lower()}")
        return None


def read_pixels(path: Path, size: tuple[int, int], label_set: LabelSet, faults: list[str]) -> np.ndarray | None:
    """(H, W) uint8 label ids of a labelIds.png; a damaged, coloured or foreign one adds a fault and gives None."""
    before = len(faults)
    image = _open(path, size, f"{path}: label map", faults, grey=False)
    if image is None:
        return None
    ids_HW = np.asarray(image)
    if ids_HW.ndim != 2 or ids_HW.dtype == bool:
        faults.append(f"{path}: a {image.mode} image: write label ids as one 8 bit channel")
    elif not np.isin(found := value_counts(ids_HW)[0], list(label_set.by_id)).all():
        foreign = sorted(set(found.tolist()) - set(label_set.by_id))
        faults.append(f"{path}: value {foreign[0]} is no label id of {label_set.name}: write ids, not train ids")
    return ids_HW if len(faults) == before else None


def _open(path: Path, size: tuple[int, int], what: str, faults: list[str], grey: bool = True) -> Image.Image | None:
    """A decoded image of the right size, or None and a fault."""
    try:
        with Image.open(path) as file:
            if file.size != size[::-1]:
                faults.append(
                    f"{what} {path.name} is {file.size[0]}x{file.size[1]}, the truth {size[1]}x{size[0]}: "
                    "write it at the truth's size"
                )
                return None
            file.load()
            # Black and white or grey is decoded already; "L" of any other mode is what the official tool takes.
            return file.convert("L") if grey and file.mode not in ("1", "L") else file
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        faults.append(f"{what} {path.name} cannot be read: {error}")
        return None
