"""Small photos on the disk, and the names of what `partwise predict` writes for them."""

from pathlib import Path

import numpy as np
from PIL import Image

from partwise.data.image_files import IMAGE_FORMATS

ENDS = ("_overlay.png", "_instanceIds.png", "_labelIds.png", ".json")
HEIC, VIDEO = b"\0\0\0\x18ftypheic", b"\0\0\0\x18ftypisom"  # how such files begin
SAID_OF_HEIC = "begins as a HEIF does" if "HEIF" in IMAGE_FORMATS else "a HEIC picture: convert it to JPEG or PNG"


def photo(path: Path, format: str = "PNG", seed: int = 0, size: tuple[int, int] = (48, 32)) -> Path:
    """A photo of width x height noise at `path`; folders are made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    Image.fromarray(rng.integers(0, 256, (size[1], size[0], 3), np.uint8)).save(path, format)
    return path


def listing(folder: Path) -> set[str]:
    """The files below a folder, relative to it; none where there is no folder."""
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()} if folder.exists() else set()


def results(*names: str) -> set[str]:
    """The files that are written for photos of these names."""
    return {f"{name}{end}" for name in names for end in ENDS}
