"""A folder with the feature maps of many frames: one memory-mapped fp16 file a layer, and what they were made of.

    FOLDER/features.json    the description, and how many frames are complete
    FOLDER/conv4_3.npy      (N, C, h, w) float16

Axes: N frames, C channels, h and w cells.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from partwise.errors import PartwiseError
from partwise.files import write_json

DESCRIPTION = "features.json"
KIND = "features of a frozen backbone"
BYTES_PER_VALUE = 2  # fp16
POOLED = {"pool3": "conv3_3", "pool4": "conv4_3", "pool5": "conv5_3"}  # what a pooling layer is made from
SPARE_BYTES = 1 << 28  # that must stay free on the disk


@dataclass(frozen=True)
class StoreDescription:
    """What the features are of. Two stores with the same description hold the same values.

    Attributes:
        data: The data set and its split, in words.
        frames: Names of the frames, in their order.
        size: (H, W) in pixels of the images that the backbone saw.
        source: The backbone in words, with its weights.
        weights_hash: Of the weights that the stored layers depend on.
        mean_subtracted: Whether the backbone saw images with their mean subtracted.
        layers: Name of a layer -> (C, h, w).
        changes: Slips of the report's code that are put back into the backbone's fifth block.
    """

    data: str
    frames: tuple[str, ...]
    size: tuple[int, int]
    source: str
    weights_hash: str
    mean_subtracted: bool
    layers: dict[str, tuple[int, int, int]]
    changes: tuple[str, ...] = ()

    def differences(self, other: StoreDescription) -> list[str]:
        """Names of the fields in which another description differs; `source` is only words."""
        mine, others = asdict(self), asdict(other)
        return [name for name in mine if name != "source" and mine[name] != others[name]]


def required_bytes(description: StoreDescription) -> int:
    """Size on the disk of all layers of all frames."""
    values = sum(int(np.prod(shape)) for shape in description.layers.values())
    return BYTES_PER_VALUE * values * len(description.frames)


class FeatureStore:
    """Stored features. Make one with `create` or `open`.

    Attributes:
        folder: Where it lies.
        description: See `StoreDescription`.
        done: Number of frames that are complete; the first so many.
    """

    def __init__(self, folder: Path, description: StoreDescription, done: int):
        self.folder, self.description, self.done = folder, description, done
        self._mapped: dict[str, NDArray[np.float16]] = {}

    @classmethod
    def open(cls, folder: Path, *, complete: bool = True) -> FeatureStore:
        """The store in a folder.

        Args:
            folder: That `create` made.
            complete: Whether all frames must be there.

        Raises:
            PartwiseError: If there is no store, it cannot be read, or frames are missing.
        """
        path = folder / DESCRIPTION
        try:
            described = json.loads(path.read_text(encoding="utf-8"))
            done = int(described.pop("done"))
            if described.pop("kind") != KIND:
                raise ValueError(f"not {KIND}")
            described["frames"], described["size"] = tuple(described["frames"]), tuple(described["size"])
            described["changes"] = tuple(described.get("changes", ()))
            described["layers"] = {name: tuple(shape) for name, shape in described["layers"].items()}
            description = StoreDescription(**described)
        except FileNotFoundError:
            raise PartwiseError(
                f"{folder}: no stored features here: make them with partwise study cache --out {folder}"
            ) from None
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise PartwiseError(f"{path}: cannot be read ({error}): store the features in another folder") from None
        if complete and done < len(description.frames):
            raise PartwiseError(
                f"{folder}: holds {done} of {len(description.frames)} frames: the command that began it goes on"
            )
        return cls(folder, description, done)

    @classmethod
    def create(cls, folder: Path, description: StoreDescription) -> FeatureStore:
        """A new store, or the one that is in the folder already and may be incomplete.

        Args:
            folder: Made if it is not there.
            description: What will be stored.

        Raises:
            PartwiseError: If the folder holds features of something else or other files, or if the disk is too small.
        """
        if (folder / DESCRIPTION).exists():
            store = cls.open(folder, complete=False)
            if different := store.description.differences(description):
                raise PartwiseError(
                    f"{folder}: holds features that differ in {', '.join(different)}: give the settings that it was "
                    "begun with, or another folder"
                )
            return store
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise PartwiseError(f"{folder}: is not empty and holds no stored features: give another folder")
        folder.mkdir(parents=True, exist_ok=True)
        needed, free = required_bytes(description), shutil.disk_usage(folder).free
        if needed + SPARE_BYTES > free:
            raise PartwiseError(
                f"{folder}: the features of {len(description.frames)} frames need {needed / 1e9:.1f} GB and "
                f"{free / 1e9:.1f} GB are free: give fewer frames or layers, or another disk"
            )
        for name, shape in description.layers.items():
            np.lib.format.open_memmap(
                folder / f"{name}.npy", mode="w+", dtype=np.float16, shape=(len(description.frames), *shape)
            )
        store = cls(folder, description, 0)
        store._describe()
        return store

    def holds(self, name: str) -> bool:
        """Whether it has a layer, or what that one is pooled from."""
        layers = self.description.layers
        return name in layers or POOLED.get(name) in layers

    def layer(self, name: str) -> NDArray[np.float16]:
        """(N, C, h, w) of one layer, read-only, memory-mapped.

        Raises:
            PartwiseError: If the layer is not stored, or its file is not the one that was written.
        """
        if name not in self.description.layers:
            stored = ", ".join(self.description.layers)
            raise PartwiseError(f"{self.folder}: no layer {name}, only {stored}: store that layer, too")
        if name not in self._mapped:
            self._mapped[name] = self._map(name, "r")
        return self._mapped[name]

    def write(self, number: int, maps: Mapping[str, NDArray[np.float16]]) -> None:
        """Store the next frame: its layers (C, h, w) by name.

        Args:
            number: Its index, the number of frames that are complete so far.
            maps: Every layer of the description.
        """
        assert number == self.done, (number, self.done)
        for name in self.description.layers:
            mapped = self._map(name, "r+")
            mapped[number] = maps[name]
            mapped.flush()
        self.done = number + 1
        self._describe()

    def place(self, frame: str) -> int:
        """Index of a frame. Raises PartwiseError if it is not stored."""
        if not hasattr(self, "_places"):
            self._places = {name: i for i, name in enumerate(self.description.frames)}
        if frame not in self._places:
            raise PartwiseError(f"{self.folder}: no features of frame {frame}: store the frames that are used")
        return self._places[frame]

    def _map(self, name: str, mode: str) -> np.memmap:
        path = self.folder / f"{name}.npy"
        try:
            mapped = np.lib.format.open_memmap(path, mode=mode)
        except (OSError, ValueError) as error:
            raise PartwiseError(f"{path}: cannot be read ({error}): delete {self.folder} and store it again") from None
        wanted = (len(self.description.frames), *self.description.layers[name])
        if mapped.shape != wanted or mapped.dtype != np.float16:
            raise PartwiseError(
                f"{path}: has shape {mapped.shape}, its description says {wanted}: delete {self.folder} and store it "
                "again"
            )
        return mapped

    def _describe(self) -> None:
        described = {"kind": KIND, **asdict(self.description), "done": self.done}
        write_json(self.folder / DESCRIPTION, described, overwrite=True)


def require_frames(store: FeatureStore, frames: Sequence[str]) -> None:
    """Raises PartwiseError if a store lacks one of these frames."""
    for frame in frames:
        store.place(frame)
