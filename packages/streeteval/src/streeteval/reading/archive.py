"""Read the files of a data set from folders, from zips, or from both, behind one interface."""

import os
import zipfile
import zlib
from pathlib import Path

from streeteval.errors import InputError
from streeteval.files import expanded
from streeteval.folders import files_below, is_clutter
from streeteval.reading.id_files import read_bytes
from streeteval.reading.layout import tree_in, trees_below, what_to_give


class Archive:
    """The files below the top folders of a data set, such as leftImg8bit and gtFine.

    A top folder (a "tree") that is there as a folder is not looked for in zips. One that is in neither may lie in a
    folder below the root (see layout.py). Paths inside an Archive are relative, with slashes:
    "gtFine/train/aachen/...".

    Zips are opened when they are first read from, once in each process. So an Archive can be pickled and survives a
    fork.

    Attributes:
        root: A folder that holds the trees unpacked, a folder of zips that hold them, or a single zip.

    Raises:
        InputError: If `root` is missing, a zip is damaged, or a tree is found nowhere.
    """

    def __init__(self, root: str | os.PathLike, trees: tuple[str, ...]):
        self.root = expanded(root)
        self._trees = trees
        if not self.root.exists():
            raise InputError(f"{self.root}: no such file or folder: check the path of the data set")
        if not self.root.is_dir() and not self.root.is_file():
            raise InputError(f"{self.root}: neither a folder nor a file: give the folder of the data set")
        self._folders: dict[str, Path] = {}
        zips = [self.root]
        if self.root.is_dir():
            self._folders = {tree: folder for tree in trees if (folder := tree_in(self.root, tree))}
            zips = sorted(self.root.glob("*.[zZ][iI][pP]")) if len(self._folders) < len(trees) else []
            zips = [path for path in zips if path.is_file() and not is_clutter(path.name)]
        self._open: dict[Path, zipfile.ZipFile] = {}
        self._process = os.getpid()
        # path -> (zip, the member's own name, which may have folders before the tree)
        self._members: dict[str, tuple[Path, str]] = {}
        for path in zips:
            self._index(path)
        if self.root.is_dir() and (absent := self._absent()):
            self._folders |= trees_below(self.root, absent)
        if absent := self._absent():
            raise InputError(
                f"{self.root}: no {absent[0]} in it, neither as a folder nor in a zip: {what_to_give(self.root, trees)}"
            )

    def splits(self, tree: str) -> list[str]:
        """Return the names of the folders directly below a tree, sorted."""
        if tree in self._folders:
            entries = self._folders[tree].iterdir()
            return sorted(entry.name for entry in entries if entry.is_dir() and not is_clutter(entry.name))
        return sorted({path.split("/")[1] for path in self._members if path.startswith(f"{tree}/")})

    def files(self, tree: str, split: str) -> list[str]:
        """List the files of a split, at any depth.

        Returns:
            Their paths, sorted; empty if the split does not exist.

        Raises:
            InputError: If a folder cannot be read.
        """
        if tree not in self._folders:
            return sorted(path for path in self._members if path.startswith(f"{tree}/{split}/"))
        folder = self._folders[tree]
        if not (folder / split).is_dir():
            return []
        files, unreadable = files_below(folder / split)
        if unreadable:
            raise unreadable[0]
        return sorted(f"{tree}/{path.relative_to(folder).as_posix()}" for path in files)

    def read(self, path: str) -> bytes:
        """Read one file.

        Args:
            path: A path that `files` returned.

        Raises:
            InputError: If the file cannot be read, or cannot be unpacked from its zip.
        """
        if path not in self._members:
            return read_bytes(self._on_disk(path))
        archive, member = self._members[path]
        try:
            return self._zip(archive).read(member)
        except (OSError, zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError) as error:
            raise InputError(
                f"{self.where(path)}: cannot be unpacked ({error}): unpack the zip, or download it again"
            ) from None

    def where(self, path: str) -> str:
        """Return a path as a person finds it: the path on the disk, or "zip: member"."""
        if path in self._members:
            archive, member = self._members[path]
            return f"{archive}: {member}"
        return str(self._on_disk(path))

    def _on_disk(self, path: str) -> Path:
        """Return where a file of an unpacked tree lies on the disk."""
        tree, _, rest = path.partition("/")
        return self._folders.get(tree, self.root / tree) / rest

    def __getstate__(self) -> dict:
        return {**self.__dict__, "_open": {}}

    def _zip(self, path: Path) -> zipfile.ZipFile:
        """Return an open zip of this process.

        Raises:
            InputError: If the file is not a complete zip.
        """
        if self._process != os.getpid():  # after a fork the parent's file position is shared: open our own
            self._open, self._process = {}, os.getpid()
        if path not in self._open:
            try:
                self._open[path] = zipfile.ZipFile(path)
            except (OSError, zipfile.BadZipFile) as error:
                raise InputError(
                    f"{path}: not a complete zip ({error}): download it again, or give the folder of the data set"
                ) from None
        return self._open[path]

    def _index(self, path: Path) -> None:
        """Note which files of the trees a zip holds."""
        for member in self._zip(path).namelist():
            parts = member.replace("\\", "/").split("/")  # as some programs of Windows write them
            if not parts[-1] or any(map(is_clutter, parts)):
                continue
            for tree in self._trees:
                if tree in parts[:-2] and tree not in self._folders:
                    depth = len(parts) - 3 - parts[-3::-1].index(tree)  # the last, of leftImg8bit/leftImg8bit/train
                    self._members["/".join(parts[depth:])] = (path, member)

    def _absent(self) -> list[str]:
        """Return the trees that are in no folder and in no zip."""
        inside = {path.split("/")[0] for path in self._members}
        return [tree for tree in self._trees if tree not in self._folders and tree not in inside]
