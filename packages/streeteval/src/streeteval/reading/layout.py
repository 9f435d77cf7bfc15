"""Find where the trees of a data set lie below a folder, however its zips were unpacked; or say what to give."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

from streeteval.errors import MOST_NAMED, InputError

LEVELS_ABOVE, LEVELS_BELOW = 4, 3  # of a folder without data, where the data is looked for
_HIDDEN = (".", "__MACOSX", "@eaDir")
MOST_FOLDERS = 2000  # looked into, so that the error for a whole disk comes at once


def tree_in(folder: Path, tree: str) -> Path | None:
    """Return where a tree lies in a folder.

    Returns:
        folder/tree; folder/tree/tree if a zip was unpacked into a folder of the tree's name; None if there is no such
        folder.
    """
    outer = folder / tree
    inside = _folders_of(outer)
    if inside == [outer / tree]:
        return inside[0]
    return outer if os.path.isdir(outer) else None  # noqa: PTH112 - also where nobody may look


def trees_below(root: Path, trees: Sequence[str]) -> dict[str, Path]:
    """Find the trees that lie in a folder of `root`, such as each zip unpacked into a folder of its own name.

    A folder with all of `trees` comes before those with one.

    Returns:
        The folder of each tree that was found.

    Raises:
        InputError: If a tree lies in several folders.
    """
    folders = _folders_of(root)
    complete = [folder for folder in folders if all(tree_in(folder, tree) for tree in trees)]
    found: dict[str, Path] = {}
    for tree in trees:
        holders = complete or [folder for folder in folders if tree_in(folder, tree)]
        if len(holders) > 1:
            names = ", ".join(folder.name for folder in holders[:MOST_NAMED]) + ", ..." * (len(holders) > MOST_NAMED)
            raise InputError(f"{root}: {tree} lies in several of its folders ({names}): give the one to read")
        if holders and (place := tree_in(holders[0], tree)):
            found[tree] = place
    return found


def what_to_give(root: Path, trees: Sequence[str]) -> str:
    """Say what to give as the root of a data set instead of `root`, which does not have all of `trees`."""
    for above in list(root.resolve().parents)[:LEVELS_ABOVE]:
        if _holds(above, trees):
            return f"give the folder above it, {above}"
    holders: dict[str, Path] = {}
    for below in islice(_walk(root, LEVELS_BELOW), MOST_FOLDERS):
        if _holds(below, trees):
            return f"give the folder below it, {below}"
        for tree in trees:
            if _holds(below, [tree]):
                holders.setdefault(tree, below)
    if holders:
        places = ", ".join(f"{tree} is in {holders[tree]}" for tree in trees if tree in holders)
        return f"{places}: put {' and '.join(trees)} into one folder and give that"
    near = {folder.name.lower(): folder.name for folder in _folders_of(root)}
    for tree in trees:
        if near.get(tree.lower(), tree) != tree:
            return f"rename its folder {near[tree.lower()]} to {tree}"
    return "give the folder that holds " + " and ".join(trees)


def has_polygons_alone(truth: Path) -> bool:
    """Whether a tree such as gtFine holds polygons and no label maps, as that of IDD does."""
    polygons = next(truth.glob("*/*/*_gtFine_polygons.json"), None)
    if polygons is None:
        return False
    return not polygons.with_name(polygons.name.replace("_polygons.json", "_labelIds.png")).exists()


def _holds(folder: Path, trees: Sequence[str]) -> bool:
    """Return whether all trees lie in a folder, unpacked or in zips with the official names."""
    return all(tree_in(folder, tree) or any(folder.glob(f"{tree}*.zip")) for tree in trees)


def _walk(root: Path, levels: int) -> Iterator[Path]:
    """Yield the folders below `root`, at most `levels` deep, near ones first."""
    waiting = deque([(root, 0)])
    while waiting:
        parent, level = waiting.popleft()
        for folder in _folders_of(parent):
            yield folder
            if level + 1 < levels:
                waiting.append((folder, level + 1))


def _folders_of(folder: Path) -> list[Path]:
    """Return the folders in a folder, sorted, without hidden ones; none if the system does not show them."""
    try:
        with os.scandir(folder) as entries:
            shown = (entry for entry in entries if not entry.name.startswith(_HIDDEN))
            return sorted(folder / entry.name for entry in shown if entry.is_dir())
    except OSError:
        return []
