"""Photos that are there twice: by the name that an exporter gave to the copies of one photo, and by a perceptual hash.

The hash is the usual one of the lowest frequencies of a discrete cosine transform ("pHash"), compared with those of the
eight ways in which an image can be mirrored and turned by quarters. With scipy and Pillow, which are installed anyway,
it is a few lines; the package imagehash would add PyWavelets for the same bits.

What it finds: copies of the same or of another size, quality or brightness, mirrored ones, and ones turned by quarters.
Crops and slight rotations change most bits, so that most such copies are not found.

Axes: N and M images, 8 ways to mirror and turn an image, 4 words of 64 bits.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from PIL import Image
from scipy.fft import dctn

from streeteval.reading.faults import Fault

__all__ = [
    "NEAR_BITS",
    "Photos",
    "hashes_of_copies",
    "joined_groups",
    "near_pairs",
    "photo_hash",
    "photo_key",
    "shared_photos",
]

NEAR_BITS = 60  # of 256: photos whose hashes differ in at most so many bits are taken for copies
_SIDE, _LOW = 32, 16  # pixels a side that are looked at, and frequencies of each axis that are kept
_ROBOFLOW = re.compile(r"(.+)\.rf\.[0-9A-Za-z]{16,}(\.[A-Za-z]+)?")


def photo_key(file_name: str) -> str:
    """The same for all copies that Roboflow exports of one photo, NAME.rf.HASH.jpg; else `file_name` itself.

    >>> photo_key("train/a_jpg.rf.0123456789abcdef0123456789abcdef.jpg"), photo_key("train/a.jpg")
    ('a_jpg', 'train/a.jpg')
    """
    name = file_name.replace("\\", "/").rpartition("/")[2]
    found = _ROBOFLOW.fullmatch(name)
    return found[1] if found else file_name


def photo_hash(image_HW3: np.ndarray) -> np.ndarray:
    """The perceptual hash of an image.

    Args:
        image_HW3: (H, W, 3) uint8 RGB.

    Returns:
        (4,) uint64, 256 bits: which of the lowest 16 x 16 frequencies of its brightness lie above their median.
    """
    return _hash(_small(image_HW3))


def hashes_of_copies(image_HW3: np.ndarray) -> np.ndarray:
    """(8, 4) uint64: the hashes of an image, mirrored or not, turned by 0 to 3 quarters; the first is `photo_hash`."""
    small = _small(image_HW3)
    return np.array([_hash(np.rot90(side, turns)) for side in (small, small[:, ::-1]) for turns in range(4)])


def _small(image_HW3: np.ndarray) -> np.ndarray:
    grey = Image.fromarray(image_HW3).convert("L").resize((_SIDE, _SIDE), Image.Resampling.BOX)
    return np.asarray(grey, np.float64)


def _hash(small: np.ndarray) -> np.ndarray:
    low = dctn(small, norm="ortho")[:_LOW, :_LOW].ravel()
    return np.packbits(low > np.median(low[1:])).view(np.uint64)  # the first frequency is the brightness as a whole


def near_pairs(copies_N84: np.ndarray, hashes_M4: np.ndarray, bits: int = NEAR_BITS) -> Iterator[tuple[int, int, int]]:
    """(n, m, bits that differ) of every image n of which image m may be a copy.

    Args:
        copies_N84: (N, 8, 4) uint64, `hashes_of_copies` of images.
        hashes_M4: (M, 4) uint64, `photo_hash` of images.
        bits: That may differ.
    """
    for n, copies_84 in enumerate(copies_N84):
        differing_M = np.bitwise_count(copies_84[:, None] ^ hashes_M4).sum(axis=-1).min(axis=0)
        for m in np.flatnonzero(differing_M <= bits).tolist():
            yield n, m, int(differing_M[m])


@dataclass(frozen=True)
class Photos:
    """The photos of one split, in the order in which they were added.

    Attributes:
        files: Where they lie.
        copies: `hashes_of_copies` of each.
    """

    files: list[str] = field(default_factory=list)
    copies: list[np.ndarray] = field(default_factory=list)

    def add(self, file: str, image_HW3: np.ndarray) -> None:
        """Add a photo, of which only its hashes are kept."""
        self.files.append(file)
        self.copies.append(hashes_of_copies(image_HW3))


def shared_photos(splits: Mapping[str, Photos]) -> Iterator[Fault]:
    """A warning for each photo of a split of which another split, further ahead, has a copy.

    Args:
        splits: Name of a split -> its photos.
    """
    for (first, photos), (second, others) in itertools.combinations(splits.items(), 2):
        if not photos.files or not others.files:
            continue
        found: dict[int, tuple[int, str]] = {}
        for n, m, bits in near_pairs(np.array(others.copies), np.array(photos.copies)[:, 0]):
            found.setdefault(n, (m, f"looks like (hash: {bits} of 256 bits differ)"))
        place_of = {photo_key(file): m for m, file in enumerate(photos.files)}
        for n, file in enumerate(others.files):
            if ".rf." in file and (same := place_of.get(photo_key(file))) is not None:
                found[n] = same, "has the name of the same photo as"
        for n, (m, how) in sorted(found.items()):
            remedy = f"a split that holds a photo of {first} measures too well: split the data again (partwise split)"
            yield Fault(others.files[n], f"of the split {second} {how} {photos.files[m]} of {first}", remedy)


def joined_groups(keys: Sequence[str], pairs: Iterator[tuple[int, int, int]]) -> list[int]:
    """For each image the number of its group: images of one key, and images of a pair, are in one group.

    Args:
        keys: Of each image.
        pairs: Of images, see `near_pairs`.
    """
    first: dict[str, int] = {}
    group = [first.setdefault(key, n) for n, key in enumerate(keys)]

    def root(n: int) -> int:
        while group[n] != n:
            n = group[n]
        return n

    for a, b, _ in pairs:
        low, high = sorted((root(a), root(b)))
        group[high] = low
    return [root(n) for n in range(len(keys))]
