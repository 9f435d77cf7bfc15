"""Find any tool's result files below a folder, and give them to the frames that their names begin with.

<anywhere>/<frame>*.txt   a line an instance: mask path (from the .txt), label id, confidence, one space between
<anywhere>/<frame>*.png   label ids at the size of the image; beside .txt only <frame>*labelIds.png, others are masks
The case of the suffixes does not matter. Of two frames street and street_night, the longer name owns its files.
Source: cityscapesScripts 2.3.0, head of evalInstanceLevelSemanticLabeling.py and of evalPixelLevelSemanticLabeling.py.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from streeteval.errors import InputError
from streeteval.files import expanded
from streeteval.folders import files_below
from streeteval.reading.faults import Fault, counted

INSTANCE_END, PIXEL_END, LABEL_IDS_END = ".txt", ".png", "labelids.png"  # in lower case
_SUMMARY_END = ".json"  # of what `partwise predict` writes for people
NOT_READ = "it is not read"
_PACKED = (".zip", ".tar", ".tgz", ".gz", ".bz2", ".xz", ".7z", ".rar")
NO_OTHERS: Mapping[str, Collection[str]] = MappingProxyType({})


@dataclass(frozen=True)
class ReadOptions:
    """How result files are read where they are not as the benchmark wants them.

    Attributes:
        train_ids: Classes are train ids (0 for road), not label ids (7).
        enlarge: Maps and masks smaller than the truth are enlarged: each new pixel has the value at its centre.
    """

    train_ids: bool = False
    enlarge: bool = False


AS_WANTED = ReadOptions()


@dataclass(frozen=True)
class ResultFiles:
    """The result files below a folder, by the name of their frame; those of a frame are sorted.

    Attributes:
        root: The folder.
        instance: Every .txt.
        pixel: Every .png that may hold label ids.
        png: Every .png, as text: there are as many as masks.
        warnings: Files that nobody reads, and why.
        options: How they are read.
    """

    root: Path
    instance: dict[str, list[Path]]
    pixel: dict[str, list[Path]]
    png: dict[str, list[str]]
    warnings: list[Fault] = field(default_factory=list)
    options: ReadOptions = AS_WANTED

    @classmethod
    def find(
        cls,
        root: str | os.PathLike,
        names: Collection[str],
        elsewhere: Mapping[str, Collection[str]] = NO_OTHERS,
        options: ReadOptions = AS_WANTED,
    ) -> ResultFiles:
        """Look for the files of frames below a folder. Hidden files are left out, links to folders are followed once.

        Args:
            root: The folder.
            names: Names of all frames of the split, also of those that are not scored.
            elsewhere: Names of the frames of other splits, by split, so that their files are recognised.
            options: How the files are read.

        Raises:
            InputError: If `root` is no folder, or no file in it belongs to a frame of `names`.
        """
        root, names = _folder(root), frozenset(names)
        everything, unreadable = files_below(root)
        if unreadable:
            raise unreadable[0]
        owner = _Owner({name: split for split, others in elsewhere.items() for name in others} | dict.fromkeys(names))
        owned, foreign = _by_frame(everything, names, owner)
        instance, png, summaries = owned[INSTANCE_END], owned[PIXEL_END], owned[_SUMMARY_END]
        if not instance and not png:
            problem = _NOTHING + _NO_AP if summaries else _why_nothing(names, foreign, everything)
            raise InputError(f"{root}: {problem}")
        pixel = {name: kept for name, paths in png.items() if (kept := _with_label_ids(paths, bool(instance)))}
        unread = [(path, split) for path, split in foreign if not instance or path.suffix.lower() == INSTANCE_END]
        warnings = [_foreign_file(path, split) for path, split in unread]
        if summaries and not instance:
            first = next(iter(summaries.values()))[0]
            warnings.append(Fault(str(first), f"no AP from {counted(len(summaries), '.json file')}", _NO_AP))
        every = {name: [*map(str, paths)] for name, paths in png.items()}
        return cls(root, instance, pixel, every, warnings, options)

    def unread(self, names: Collection[str], masks: Collection[str]) -> list[Fault]:
        """Return warnings for .png files that are neither label ids nor masks.

        Args:
            names: Names of the frames that were scored.
            masks: Paths that the .txt files name. One of these masks may be called like the files of another frame.
        """
        if not self.instance.keys() <= set(names):  # then the .txt files of the others may name them
            return []
        problem = "is not the labelIds.png of its frame"
        if self.instance:
            problem = "no .txt names it as a mask, and it does not end in labelIds.png"
        taken = {*masks, *(str(path) for paths in self.pixel.values() for path in paths)}
        return [
            Fault(path, problem, NOT_READ) for name in names for path in self.png.get(name, ()) if path not in taken
        ]


_NOTHING = "neither <frame>*.txt (instances) nor <frame>*.png (pixels) in it or below: "
_NO_AP = "instances are read from <frame>*.txt and masks, as `partwise predict --format cityscapes` writes them"


def _with_label_ids(paths: list[Path], beside_masks: bool) -> list[Path]:
    """Return the .png files of a frame that may hold its label ids; what is called labelIds.png comes before others."""
    called = [path for path in paths if path.name.lower().endswith(LABEL_IDS_END)]
    return called or ([] if beside_masks else paths)


Foreign = list[tuple[Path, str | None]]  # files of no frame of the split, each with the split that has its frame


def _folder(root: str | os.PathLike) -> Path:
    """Return the folder of results as an absolute path.

    Raises:
        InputError: If it is no folder.
    """
    root = Path(os.path.abspath(expanded(root)))  # noqa: PTH100 - links in it stay, as in the official tool
    if root.is_dir():
        return root
    unpack = "unpack it, and " if root.name.lower().endswith(_PACKED) else ""
    problem = f"this is a file: {unpack}" if root.exists() else "no such folder: "
    raise InputError(f"{root}: {problem}give the folder of the result files")


def _by_frame(
    files: list[Path], names: Collection[str], owner: _Owner
) -> tuple[dict[str, dict[str, list[Path]]], Foreign]:
    """Return the files by suffix and by frame; and the .txt and .png files that belong to no frame of the split."""
    owned: dict[str, dict[str, list[Path]]] = {INSTANCE_END: {}, PIXEL_END: {}, _SUMMARY_END: {}}
    foreign: Foreign = []
    for path in files:
        suffix = path.suffix.lower()
        if suffix not in owned:
            continue
        name = owner.of(path.name)
        if name is not None and name in names:
            owned[suffix].setdefault(name, []).append(path)
        elif suffix != _SUMMARY_END:
            foreign.append((path, None if name is None else owner.splits.get(name)))
    return owned, foreign


def _why_nothing(names: Collection[str], foreign: Foreign, everything: list[Path]) -> str:
    """Say what is wrong with a folder without a file for any frame, and what to do."""
    packed = [path for path in everything if path.name.lower().endswith(_PACKED)]
    if not foreign:
        return f"{_NOTHING}{f'unpack {packed[0].name}' if packed else 'give the folder of the result files'}"
    splits = sorted({split for _, split in foreign if split})
    if splits:
        return f"these are results for frames of the split {' and '.join(splits)}: score them on that one"
    example = f", such as {min(names)}" if names else ""
    return (
        f"none of its {counted(len(foreign), 'file')}, such as {foreign[0][0].name}, begins with the name of a frame"
        f"{example}: name the files after the frames, or score them on their own data"
    )


def _foreign_file(path: Path, split: str | None) -> Fault:
    """Return the warning of a file that belongs to no frame of the split."""
    if split:
        return Fault(str(path), f"is for a frame of the split {split}", f"{NOT_READ} on another one")
    return Fault(str(path), "begins with no frame's name", NOT_READ)


class _Owner:
    """Finds the frame that a file belongs to: the longest name that the file's name begins with.

    A digit must not follow: frame_1 does not own the files of frame_10.
    """

    def __init__(self, splits: dict[str, str | None]):
        self.splits = splits
        self.lengths = sorted({len(name) for name in splits}, reverse=True)

    def of(self, file_name: str) -> str | None:
        """Return the frame's name; None if there is none."""
        for length in self.lengths:
            name = file_name[:length]
            if name in self.splits and not file_name[length : length + 1].isdigit():
                return name
        return None
