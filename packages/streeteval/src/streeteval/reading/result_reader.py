"""Read the result files of frames, and collect all that is wrong with them instead of stopping at the first fault.

What the official tool reads is read the same way. What it leaves out is left out with a warning. What makes it stop, or
makes its scores mean something else than they say, is a fault. Only empty lines and a byte order mark are left out
without a warning.
Source: cityscapesScripts 2.3.0, readPredInfo and assignGt2Preds of evalInstanceLevelSemanticLabeling.py.
"""

from __future__ import annotations

import math
import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath

import numpy as np
from PIL import Image

from streeteval.boxes import box_of_mask
from streeteval.errors import InputError
from streeteval.instances import Instances
from streeteval.labels import LabelSet
from streeteval.reading.conversions import enlarged, is_smaller, label_ids_of
from streeteval.reading.faults import Fault, fault_of_error
from streeteval.reading.id_files import decode_ids
from streeteval.reading.mask_png import Found, plain_mask
from streeteval.reading.result_files import INSTANCE_END, PIXEL_END, ResultFiles
from streeteval.reading.result_ids import fault_of_ids, fault_of_numbering
from streeteval.scene import Scene

_LEFT_OUT = "it is left out, as in the official tool"
_NO_AP = "the class has no AP: its instances are left out, as in the official tool"
_SMALLER = "write it at the truth's size"
_ENLARGE = f"{_SMALLER}, or choose to enlarge small results (--enlarge, in Python enlarge)"
_EMPTY: Found = ((0, 0, 0, 0), np.zeros((0, 0), bool))
_LARGEST_SCORE = float(np.finfo(np.float32).max)
_SHOWN_LETTERS = 80


@dataclass(frozen=True)
class PredictedLine:
    """One valid line of a .txt.

    Attributes:
        mask: Path of the mask.
        label: Class id.
        score: Confidence.
        place: Where the line stands: file and number of the line.
    """

    mask: Path
    label: int
    score: float
    place: str


class ResultReader:
    """Reads the files of one frame after another.

    Attributes:
        faults: What makes the results unfit to be scored.
        warnings: What was left out.
        labels: How many lines of the .txt files name each class.
        masks: The paths of all masks that they name.
    """

    def __init__(self, files: ResultFiles):
        self.files = files
        self.faults: list[Fault] = []
        self.warnings: list[Fault] = []
        self.labels: Counter[int] = Counter()
        self.masks: set[str] = set()

    def instances(self, scene: Scene) -> tuple[Instances, np.ndarray] | None:
        """Read the instances of a frame and their float64 confidences; None after a fault."""
        path = self._only(self.files.instance, scene.name, INSTANCE_END)
        if path is None:
            return None
        before = len(self.faults)
        lines = self._lines(path, scene.label_set)
        self.masks.update(str(line.mask) for line in lines)
        found = [(line, mask) for line in self._with_ap(lines, scene) if (mask := self._mask(line, scene.size))]
        if len(self.faults) > before:
            return None
        scores = np.array([line.score for line, _ in found], np.float64)
        boxes, masks = [box for _, (box, _) in found], [crop for _, (_, crop) in found]
        fit = scores.clip(-_LARGEST_SCORE, _LARGEST_SCORE)  # for float32
        labels = np.array([line.label for line, _ in found])
        return Instances(labels, fit, np.array(boxes), tuple(masks), scene.size), scores

    def semantic(self, scene: Scene) -> np.ndarray | None:
        """Read the (H, W) uint8 label ids of a frame; None after a fault."""
        path = self._only(self.files.pixel, scene.name, "labelIds.png" if self.files.instance else PIXEL_END)
        if path is None:
            return None
        data = self._content(path, str(path))
        if data is None:
            return None
        try:
            ids_HW = decode_ids(data, str(path))
        except InputError as error:
            self.faults.append(fault_of_error(str(path), error))
            return None
        if self.files.options.enlarge and is_smaller(ids_HW.shape, scene.size):
            ids_HW = enlarged(ids_HW, scene.size)
        if ids_HW.shape != scene.size:
            self.faults.append(_size_fault(str(path), "", ids_HW.shape, scene.size))
            return None
        fault = fault_of_numbering(ids_HW, scene, str(path), self.files.options.train_ids)
        if self.files.options.train_ids and not fault:
            converted = label_ids_of(ids_HW, scene.label_set, str(path))
            ids_HW, fault = (ids_HW, converted) if isinstance(converted, Fault) else (converted, None)
        fault = fault or fault_of_ids(ids_HW, scene, str(path))
        if fault:
            self.faults.append(fault)
            return None
        return ids_HW.astype(np.uint8)

    def _only(self, files: dict[str, list[Path]], name: str, end: str) -> Path | None:
        """Return the one file of a frame; otherwise add a fault and return None."""
        own = files.get(name, [])
        if len(own) == 1:
            return own[0]
        if own:
            several = " and ".join(str(path.relative_to(self.files.root)) for path in own[:2])
            several += f" and {len(own) - 2} more" if len(own) > 2 else ""
            self.faults.append(
                Fault(name, f"{len(own)} files {name}*{end} ({several})", "keep one, or give the folder of one result")
            )
        else:
            remedy = "every frame of the split needs one"
            remedy += ", an empty one where nothing was found" if end == INSTANCE_END else ""
            self.faults.append(Fault(name, f"no file {name}*{end} under {self.files.root}", remedy))
        return None

    def _lines(self, path: Path, label_set: LabelSet) -> list[PredictedLine]:
        """Read the valid lines of a .txt, one for each mask; every other line adds a fault or a warning."""
        data = self._content(path, str(path))
        if data is None:
            return []
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            problem = f"byte {data[error.start]:#04x} at {error.start} is not UTF-8"
            self.faults.append(Fault(str(path), problem, "write plain text"))
            return []
        lines: dict[Path, PredictedLine] = {}
        # Lines end as in Python's text files, which the official tool reads: at \n, \r\n and \r.
        for number, content in enumerate(text.replace("\r\n", "\n").replace("\r", "\n").split("\n"), 1):
            line = self._line(content, f"{path}:{number}", path, label_set) if content.strip() else None
            if line is not None and lines.setdefault(line.mask, line) is not line:
                self._repeated(line, lines[line.mask])
        return list(lines.values())

    def _repeated(self, line: PredictedLine, first: PredictedLine) -> None:
        """Add the fault or the warning of a line whose mask an earlier line names."""
        problem = f"mask {line.mask.name} is already in line {first.place.rpartition(':')[2]}"
        if (first.label, first.score) == (line.label, line.score):
            self.warnings.append(Fault(line.place, problem, _LEFT_OUT))
        else:
            problem += ", with another class or confidence"
            self.faults.append(Fault(line.place, problem, "write one line for each mask"))

    def _line(self, content: str, place: str, path: Path, label_set: LabelSet) -> PredictedLine | None:
        """Read one line; None and one fault or more if it is not valid."""
        fields = content.rstrip().split(" ")
        if len(fields) != 3:
            problem = f"{len(fields)} fields in {_short(content)} instead of 3 (mask path, label id, confidence)"
            self.faults.append(Fault(place, problem, "put one space between them and none into names"))
            return None
        before = len(self.faults)
        mask, label, score = self._mask_path(fields[0], place, path), _number(fields[1]), _number(fields[2])
        if self.files.options.train_ids:
            of = {thing.train_id: thing.id for thing in label_set.evaluated}
            label = None if label is None else of.get(int(label), label if label == label_set.void_id else None)
        if label not in label_set.by_id:
            ids = ", ".join(f"{thing.id} {thing.name}" for thing in label_set.things)
            problem = f"label id {_short(fields[1])} is no id of {label_set.name}"
            self.faults.append(Fault(place, problem, f"classes with instances are {ids}"))
        if score is None:
            problem = f"confidence {_short(fields[2])} is no finite number"
            self.faults.append(Fault(place, problem, "write a number, higher where it is more certain"))
        if len(self.faults) > before or mask is None or label is None or score is None:
            return None
        return PredictedLine(mask, int(label), score, place)

    def _mask_path(self, text: str, place: str, path: Path) -> Path | None:
        """Return the path of a mask; None and a fault if it cannot be used."""
        if os.path.isabs(text) or PureWindowsPath(text).is_absolute():  # noqa: PTH117 - of a text, not of a file
            problem, remedy = "is absolute", "give it relative to the .txt"
        else:
            # As the official tool on Windows reads them, backslashes separate folders where no file is called so.
            for relative in (text, text.replace("\\", "/")):
                mask = Path(os.path.normpath(path.parent / relative))
                if mask.is_relative_to(self.files.root) and os.path.isfile(mask):  # noqa: PTH113 - of any length
                    return mask
            problem, remedy = "does not exist", "copy the masks together with the .txt files"
            if not mask.is_relative_to(self.files.root):
                problem, remedy = f"leaves the folder {self.files.root}", "keep masks inside it"
        self.faults.append(Fault(place, f"mask {_short(text)} {problem}", remedy))
        return None

    def _with_ap(self, lines: list[PredictedLine], scene: Scene) -> list[PredictedLine]:
        """Return the lines of classes that AP is defined for; every other line adds a warning."""
        things = {label.id for label in scene.label_set.things}
        for line in lines:
            self.labels[line.label] += 1
            if line.label not in things:
                problem = f"class {line.label}, {scene.label_set.by_id[line.label].name}"
                self.warnings.append(Fault(line.place, problem, _NO_AP, line.label))
        return [line for line in lines if line.label in things]

    def _mask(self, line: PredictedLine, size: tuple[int, int]) -> Found | None:
        """Read the box and crop of a mask; None and a warning if it is empty, or a fault."""
        data = self._content(line.mask, line.place, f"mask {line.mask.name} ")
        if data is None:
            return None
        found = plain_mask(data, size) or self._any_mask(line, size)
        if found and not found[1].size:
            self.warnings.append(Fault(line.place, f"mask {line.mask.name} is empty", _LEFT_OUT))
            return None
        return found

    def _any_mask(self, line: PredictedLine, size: tuple[int, int]) -> Found | None:
        """Read a mask from any kind of image with Pillow; an empty crop if the mask is empty."""
        try:
            with Image.open(line.mask) as file:
                if self.files.options.enlarge and is_smaller(file.size[::-1], size):
                    large = enlarged(np.asarray(file.convert("L")) != 0, size)
                    box = box_of_mask(large)
                    return (box, large[box[1] : box[3], box[0] : box[2]]) if box else _EMPTY
                if file.size != size[::-1]:
                    self.faults.append(_size_fault(line.place, f"mask {line.mask.name} ", file.size[::-1], size))
                    return None
                # As the official tool: converted to grey, non-zero is inside.
                grey = file if file.mode in ("1", "L") else file.convert("L")
                box = grey.getbbox()
                return (box, np.asarray(grey.crop(box)) != 0) if box else _EMPTY
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
            self.faults.append(Fault(line.place, f"mask {line.mask.name} cannot be read ({error})", "write it as PNG"))
            return None

    def _content(self, path: Path, place: str, what: str = "") -> bytes | None:
        """Return the bytes of a file; None and a fault if the system does not give them."""
        try:
            if path.exists() and not path.is_file():
                raise OSError("a pipe, a socket or a device")  # reading it might never end
            return path.read_bytes()
        except OSError as error:
            problem = f"{what}cannot be read ({(error.strerror or str(error)).lower()})"
            self.faults.append(Fault(place, problem, "look at the file and its permissions"))
            return None


def _size_fault(file: str, what: str, size: tuple[int, int], truth: tuple[int, int]) -> Fault:
    """Return the fault of a file whose `size` (H, W) is not that of the truth."""
    return Fault(
        file,
        f"{what}is {size[1]}x{size[0]}, the truth {truth[1]}x{truth[0]}",
        _ENLARGE if is_smaller(size, truth) else _SMALLER,
    )


def _number(text: str) -> float | None:
    """Return a finite number; None for any other text. 26.0 is the label 26, as in the official tool."""
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _short(text: str) -> str:
    """Return a text as a fault shows it: short."""
    return repr(text if len(text) <= _SHOWN_LETTERS else f"{text[:_SHOWN_LETTERS]}...")
