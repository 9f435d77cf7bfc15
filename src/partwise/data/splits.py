"""Names of splits: the same one is val, valid, validation or val2017, depending on the tool that wrote it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from partwise.errors import PartwiseError
from streeteval.errors import unknown_name

__all__ = ["find_split", "folders_of_split", "in_usual_order", "is_usual"]

_SAME = ({"train", "training"}, {"val", "valid", "validation"}, {"test", "testing"})


def find_split(name: str, known: Iterable[str], where: str) -> str:
    """The split that is meant by a name.

    Args:
        name: As a user gave it.
        known: The splits of a data set. If there is only one, it is meant by every name.
        where: The data set, for the error.

    Returns:
        One of `known`.

    Raises:
        PartwiseError: If none of them, or more than one, can be meant.

    >>> find_split("val", ["train", "valid"], "city"), find_split("train", ["train2017", "val2017"], "coco")
    ('valid', 'train2017')
    """
    known = list(known)
    if name in known:
        return name
    if len(known) == 1:
        return known[0]
    meant = [one for one in known if _kind(one) == _kind(name)]
    if len(meant) > 1:
        raise PartwiseError(f"{where}: split {name!r} may be {' or '.join(meant)}: give one of these names")
    if not meant:
        raise unknown_name("split", name, known, where)
    return meant[0]


def folders_of_split(folder: Path, split: str) -> list[Path]:
    """Find the folders of a split in another folder, such as `validation` for val.

    Args:
        folder: Which need not exist.
        split: Its name.

    Returns:
        Sorted; none of another split, even if that is the only one.
    """
    try:
        return sorted(path for path in folder.iterdir() if _kind(path.name) == _kind(split) and path.is_dir())
    except OSError:
        return []


def _kind(name: str) -> str:
    """The same for names of one split."""
    word = re.sub(r"[_-]?\d*$", "", name.lower())
    return next((min(words) for words in _SAME if word in words), word)


def in_usual_order(names: Iterable[str]) -> list[str]:
    """Training, validation and test first.

    >>> in_usual_order(["other", "valid", "train"])
    ['train', 'valid', 'other']
    """
    kinds = [min(words) for words in _SAME]
    return sorted(names, key=lambda name: (kinds.index(_kind(name)) if _kind(name) in kinds else len(kinds), name))


def is_usual(name: str) -> bool:
    """Check whether a name is one of a training, validation or test split.

    >>> is_usual("train2017"), is_usual("street")
    (True, False)
    """
    return any(_kind(name) in words for words in _SAME)
