"""A split of drawn data (COCO, YOLO, VIA, labelme) into two, without copies of one photo on both sides.

COCO files are written; the images stay where they are.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from partwise.data.duplicates import hashes_of_copies, joined_groups, near_pairs, photo_key
from partwise.data.image_files import read_image
from partwise.data.polygons.coco_content import coco_content_of
from partwise.data.polygons.dataset import AnnotatedFolder, CocoFolder
from partwise.data.source import DataSource
from partwise.errors import PartwiseError
from partwise.files import atomic_write, write_json
from streeteval.reading.faults import counted
from streeteval.reading.id_files import read_bytes

__all__ = ["Split", "split_annotated", "split_groups", "split_images", "write_split"]

_FILE = "_annotations.coco.json"  # as Roboflow calls it: images lie beside it
_PARTS = ("train", "val")


@dataclass(frozen=True)
class Split:
    """Which images of a COCO file are in which part.

    Attributes:
        parts: Name of a part, "train" or "val" -> places of its images in the file, ascending.
        groups: Groups of copies of one photo; a photo without copies is a group of its own.
        near: Pairs of images that look alike and have different names; each pair is in one part.
    """

    parts: Mapping[str, tuple[int, ...]]
    groups: int
    near: int


def split_annotated(
    source: DataSource,
    out: Path,
    *,
    split: str = "train",
    val: float = 0.2,
    group_by: str = "",
    seed: int = 0,
    copy: bool = False,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> tuple[Split, list[Path]]:
    """Split one split of drawn data into the folders `train` and `val` of `out`, each with a COCO file.

    Args:
        source: The data set.
        out: A folder, which holds no split yet.
        split: Which of its splits is split.
        val: Share of the images that go to `val`; see `split_images` for it and for the following three.
        group_by: What makes images one group. It is searched in the path of each image below the data set's folder, or
            below the folder of all images where some lie elsewhere.
        seed: Of the random choice.
        copy: Also copy the images.
        progress: Is told how many images are read, of how many.

    Returns:
        Which images are where, by their places in the order of their names, and the files that were written.

    Raises:
        PartwiseError: If the data are not drawn, or as `split_images` and `write_split` do.
    """
    _require_free([out / part / _FILE for part in _PARTS])  # before all images are read
    root = source.root if source.root.is_dir() else source.root.parent
    if out.resolve() == root.resolve():
        raise PartwiseError(
            f"{out}: holds the data that are split, which would then be read as COCO: give another --out"
        )
    if seed < 0:
        raise PartwiseError(f"seed {seed}: give a whole number from 0 on")
    dataset = source.open(split)
    if not isinstance(dataset, AnnotatedFolder) or dataset.in_order:
        raise PartwiseError(
            f"{source}: {source.form}: only COCO, YOLO, VIA and labelme data are split: other formats have a folder "
            "for each split"
        )
    images = dataset.annotated.images
    ids = [one.ids if isinstance(dataset, CocoFolder) else (place,) for place, one in enumerate(images, 1)]
    parts = split_images(
        _names_below(root, [image.path for image in images]),
        lambda place: read_image(images[place].path),
        val=val,
        group_by=group_by,
        seed=seed,
        progress=progress,
    )
    paths = {
        part: {id_: Path(images[place].path) for place in places for id_ in ids[place]}
        for part, places in parts.parts.items()
    }
    content = dataset.coco_content() if isinstance(dataset, CocoFolder) else coco_content_of(dataset.annotated)
    return parts, write_split(content, paths, out, copy=copy)


def _names_below(root: Path, files: Sequence[str]) -> list[str]:
    """The paths of files relative to `root`, or to the folder that holds all of them if one lies elsewhere.

    The names of the folders above are no part of them.

    >>> _names_below(Path("/berlin"), ["/berlin/train/a.jpg"]), _names_below(Path("/x/json"), ["/x/a/1.jpg"])
    (['train/a.jpg'], ['1.jpg'])
    """
    paths = [Path(os.path.abspath(file)) for file in files]  # noqa: PTH100 - links are not followed
    base = Path(os.path.abspath(root))  # noqa: PTH100
    if not all(path.is_relative_to(base) for path in paths):
        base = Path(os.path.commonpath([path.parent for path in paths]))
    return [path.relative_to(base).as_posix() for path in paths]


def split_groups(groups: Sequence[int], val: float, seed: int) -> list[bool]:
    """Whether each image is in the validation part: whole groups, at random, until it has its share of the images.

    Args:
        groups: The group of each image.
        val: Share of the images, above 0 and below 1. Each part has at least one group.
        seed: Another one gives another split.

    Raises:
        PartwiseError: If there are fewer than two groups, or `val` is out of its limits.
    """
    _require_share(val)
    sizes: dict[int, int] = {}
    for group in groups:
        sizes[group] = sizes.get(group, 0) + 1
    if len(sizes) < 2:
        raise PartwiseError(
            f"{counted(len(groups), 'image')} in {counted(len(sizes), 'group')} of copies: a split needs two groups: "
            "give more images, or a --group-by that makes more groups"
        )
    order = [sorted(sizes)[i] for i in np.random.default_rng(seed).permutation(len(sizes))]
    wanted, taken, chosen = val * len(groups), 0, set()
    for group in order[:-1]:
        if abs(taken + sizes[group] - wanted) < abs(taken - wanted):
            chosen.add(group)
            taken += sizes[group]
    chosen = chosen or {min(order, key=sizes.__getitem__)}  # where every group is far too large
    return [group in chosen for group in groups]


def _require_share(val: float) -> None:
    if not 0 < val < 1:
        raise PartwiseError(f"val {val:g}: give a share of the images above 0 and below 1, such as 0.2")


def split_images(
    names: Sequence[str],
    read: Callable[[int], np.ndarray],
    *,
    val: float = 0.2,
    group_by: str = "",
    seed: int = 0,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Split:
    """Split images so that copies of one photo are on one side.

    Args:
        names: Their file names.
        read: Place of an image -> (H, W, 3) uint8 RGB.
        val: Share of the images in the validation part.
        group_by: A regular expression; images with the same match in their names are one group: the match's first
            group in parentheses, or else the whole match. Empty: copies that Roboflow made of one photo are a group.
        seed: Of the random choice.
        progress: Is told how many images are read, of how many.

    Raises:
        PartwiseError: For an expression that is none or that a name does not match, and as `split_groups` does.
    """
    _require_share(val)
    keys = _keys(names, group_by)
    copies_N84 = np.zeros((len(names), 8, 4), np.uint64)
    for place in range(len(names)):
        copies_N84[place] = hashes_of_copies(read(place))
        progress(place + 1, len(names))
    pairs = [pair for pair in near_pairs(copies_N84, copies_N84[:, 0]) if pair[0] < pair[1]]
    groups = joined_groups(keys, iter(pairs))
    in_val = split_groups(groups, val, seed)
    parts = {
        name: tuple(place for place, inside in enumerate(in_val) if inside == side)
        for name, side in zip(_PARTS, (False, True), strict=True)
    }
    return Split(parts, len(set(groups)), sum(keys[a] != keys[b] for a, b, _ in pairs))


def _keys(names: Sequence[str], group_by: str) -> list[str]:
    if not group_by:
        return [photo_key(name) for name in names]
    try:
        pattern = re.compile(group_by)
    except re.error as error:
        raise PartwiseError(f"group_by {group_by!r}: no regular expression ({error}): correct it") from None
    found = [pattern.search(name) for name in names]
    lacking = [name for name, match in zip(names, found, strict=True) if match is None]
    if lacking:
        raise PartwiseError(
            f"group_by {group_by!r}: {len(lacking)} of {len(names)} names do not match it, such as {lacking[0]}: give "
            "an expression that matches every name"
        )
    return [match[1] if match and pattern.groups and match[1] is not None else match[0] for match in found if match]


def write_split(
    content: Mapping[str, Any], paths: Mapping[str, Mapping[int | str, Path]], out: Path, *, copy: bool = False
) -> list[Path]:
    """Write a COCO file for each part; ids, categories and annotations are those of the file that is split.

    Args:
        content: What the COCO file holds.
        paths: Name of a part -> image id -> the image's file, of the images in the part.
        out: Folder for the parts, each a folder of its own.
        copy: Also copy the images there; without it the new files name the images where they are.

    Returns:
        The COCO files.

    Raises:
        PartwiseError: If one of the files is there already, two images would be copied to one file, or a file cannot
            be written.
    """
    files = [out / part / _FILE for part in paths]
    copies = _copies(paths, out) if copy else {}
    _require_free([*files, *copies])
    for target, image in copies.items():
        with atomic_write(target) as written:
            written.write(read_bytes(image))
    for file, images in zip(files, paths.values(), strict=True):
        kept = [row for row in content["images"] if row["id"] in images]
        rows = [row | {"file_name": _name_in(file.parent, images[row["id"]], copy)} for row in kept]
        annotations = [row for row in content["annotations"] if row["image_id"] in images]
        write_json(file, dict(content) | {"images": rows, "annotations": annotations})
    return files


def _copies(paths: Mapping[str, Mapping[int | str, Path]], out: Path) -> dict[Path, Path]:
    """New file -> the image that is copied there."""
    copies: dict[Path, Path] = {}
    for part, images in paths.items():
        for image in images.values():
            target = out / part / image.name
            if copies.setdefault(target, image) != image:
                raise PartwiseError(
                    f"{copies[target]} and {image} have one name: rename one, or do not copy the images"
                )
    return copies


def _require_free(files: Sequence[Path]) -> None:
    for file in files:
        if file.exists():
            raise PartwiseError(f"{file} is there already: give another folder")


def _name_in(folder: Path, image: Path, copied: bool) -> str:
    """The name of an image in the COCO file of a folder."""
    return image.name if copied else Path(os.path.relpath(image.resolve(), folder.resolve())).as_posix()
