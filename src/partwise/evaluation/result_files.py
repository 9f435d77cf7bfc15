"""Any tool's result files: found below a folder, and given to the frames that their names begin with.

<anywhere>/<frame>*.txt   a line an instance: mask path (from the .txt), label id, confidence, one space between
<anywhere>/<frame>*.png   label ids at the size of the image; beside .txt only <frame>*labelIds.png, others are masks
The cases of the suffixes do not matter. Of two frames street and street_night, the longer name owns its files.
Source: cityscapesScripts 2.3.0, head of evalInstanceLevelSemanticLabeling.py and of evalPixelLevelSemanticLabeling.py.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from partwise.data.faults import Fault, counted
from partwise.errors import PartwiseError

INSTANCE_END, PIXEL_END, LABEL_IDS_END = ".txt", ".png", "labelids.png"  # in lower case
_SUMMARY_END = ".json"  # of what `partwise predict` writes for people
_LEFT_BEHIND = ("__MACOSX", "@eaDir")  # folders of macOS and of network disks
NO_OTHERS: Mapping[str, Collection[str]] = MappingProxyType({})


@dataclass(frozen=True)
class ResultFiles:
    """The result files below `root`, by the name of their frame; those of a frame are sorted.

    instance   every .txt
    pixel      every .png that may hold label ids
    png        every .png
    warnings   files that nobody reads, and why
    """

    root: Path
    instance: dict[str, list[Path]]
    pixel: dict[str, list[Path]]
    png: dict[str, list[Path]]
    warnings: list[Fault] = field(default_factory=list)

    @classmethod
    def find(
        cls, root: str | os.PathLike, names: Collection[str], elsewhere: Mapping[str, Collection[str]] = NO_OTHERS
    ) -> ResultFiles:
        """Look for the files of frames below a folder; hidden files are none, links to folders are followed once.

        Args:
            root: the folder.
            names: of all frames of the split, also of those that are not scored.
            elsewhere: names of the frames of other splits, by split, so that their files are recognised.

        Raises:
            PartwiseError: `root` is no folder, or no file in it belongs to a frame of `names`.
        """
        root = Path(os.path.abspath(root))  # noqa: PTH100 - links in it stay, as in the official tool
        if not root.is_dir():
            problem = "this is a file: unpack it, and" if root.exists() else "no such folder:"
            raise PartwiseError(f"{root}: {problem} give the folder of the result files")
        names = frozenset(names)
        owner = _Owner({name: split for split, others in elsewhere.items() for name in others} | dict.fromkeys(names))
        owned: dict[str, dict[str, list[Path]]] = {INSTANCE_END: {}, PIXEL_END: {}, _SUMMARY_END: {}}
        foreign: list[tuple[Path, str | None]] = []
        for path in sorted(_files_below(root)):
            of_kind = owned.get(path.suffix.lower())
            name = owner.of(path.name)
            if of_kind is None:
                continue
            if name in names:
                of_kind.setdefault(name, []).append(path)
            elif path.suffix.lower() != _SUMMARY_END:
                foreign.append((path, owner.splits.get(name)))
        instance, png = owned[INSTANCE_END], owned[PIXEL_END]
        if not instance and not png:
            raise PartwiseError(f"{root}: {_why_nothing(names, foreign, bool(owned[_SUMMARY_END]))}")
        pixel = {name: kept for name, paths in png.items() if (kept := _with_label_ids(paths, bool(instance)))}
        unread = [(path, split) for path, split in foreign if not instance or path.suffix.lower() == INSTANCE_END]
        warnings = [_foreign_file(path, split) for path, split in unread]
        if not instance and (summaries := owned[_SUMMARY_END]):
            first = next(iter(summaries.values()))[0]
            warnings.append(Fault(str(first), f"no AP from {counted(len(summaries), '.json file')}", _NO_AP))
        return cls(root, instance, pixel, png, warnings)


_NO_AP = "instances are read from <frame>*.txt and masks, as `partwise predict --format cityscapes` writes them"


def _with_label_ids(paths: list[Path], beside_masks: bool) -> list[Path]:
    """Those of a frame's .png files that may hold its label ids; what is called labelIds.png comes before others."""
    called = [path for path in paths if path.name.lower().endswith(LABEL_IDS_END)]
    return called or ([] if beside_masks else paths)


def _why_nothing(names: Collection[str], foreign: list[tuple[Path, str | None]], summaries: bool) -> str:
    """What is wrong with a folder without a file for any frame, and what to do."""
    if summaries:
        return f"neither <frame>*{INSTANCE_END} nor <frame>*{PIXEL_END}: {_NO_AP}"
    if not foreign:
        return (
            f"neither <frame>*{INSTANCE_END} (instances) nor <frame>*{PIXEL_END} (pixels) in it or below: "
            "give the folder of the result files"
        )
    splits = sorted({split for _, split in foreign if split})
    if splits:
        return f"these are results for frames of the split {' and '.join(splits)}: score them on that one"
    example = f", such as {min(names)}" if names else ""
    return (
        f"none of its {counted(len(foreign), 'file')}, such as {foreign[0][0].name}, begins with the name of a frame"
        f"{example}: name the files after the frames, or score them on their own data"
    )


def _foreign_file(path: Path, split: str | None) -> Fault:
    if split:
        return Fault(str(path), f"is for a frame of the split {split}", "it is not read on another one")
    return Fault(str(path), "begins with no frame's name", "it is not read")


class _Owner:
    """Finds the frame that a file belongs to: the longest name that the file's name begins with.

    A digit does not follow: frame_1 does not own the files of frame_10.
    """

    def __init__(self, splits: dict[str, str | None]):
        self.splits = splits
        self.lengths = sorted({len(name) for name in splits}, reverse=True)

    def of(self, file_name: str) -> str | None:
        """The frame's name; None where there is none."""
        for length in self.lengths:
            name = file_name[:length]
            if name in self.splits and not file_name[length : length + 1].isdigit():
                return name
        return None


def _files_below(root: Path) -> Iterator[Path]:
    seen = set()
    for folder, folders, names in os.walk(root, followlinks=True):
        known = len(seen)
        seen.add(os.path.realpath(folder))
        if len(seen) == known:  # a link has led here before
            folders.clear()
            continue
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name not in _LEFT_BEHIND)
        yield from (Path(folder) / name for name in names if not name.startswith("."))
