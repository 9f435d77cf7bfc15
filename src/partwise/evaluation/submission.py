"""Write a prediction in the benchmark's submission form."""

from __future__ import annotations

import os
from contextlib import ExitStack
from pathlib import Path

import numpy as np
from PIL import Image

from partwise.errors import PartwiseError
from partwise.files import atomic_write
from partwise.scene import Prediction
from partwise.written import PNG_TEXT
from streeteval.files import expanded

INSTANCES, PIXELS = "instances", "pixels"  # two folders, because the official pixel tool takes any <id>*.png


def check_name(name: str) -> None:
    """Check that the form can hold the name of an image.

    Raises:
        PartwiseError: If it cannot.
    """
    if not name or any(character in name for character in " \t\n\r/\\"):
        raise PartwiseError(f"image name {name!r}: the submission form allows no space and no slash in it: rename it")


def submission_paths(name: str, out: Path) -> list[Path]:
    """Return the files of an image that do not depend on what is found in it, and the first mask."""
    return [out / INSTANCES / f"{name}_pred.txt", out / PIXELS / f"{name}_labelIds.png", _mask_path(name, 0, out)]


def _mask_path(name: str, i: int, out: Path) -> Path:
    """Return the path of mask i of an image."""
    return out / INSTANCES / "masks" / f"{name}_{i}.png"


def write_submission(
    name: str, prediction: Prediction, out: str | os.PathLike, *, instances: bool = True, overwrite: bool = False
) -> list[Path]:
    """Write one image's prediction in the form that the benchmark's server takes.

    The files are out/instances/<name>_pred.txt and out/instances/masks/<name>_<i>.png (1 bit); with a semantic map also
    out/pixels/<name>_labelIds.png. Each of the two folders is one submission.

    Args:
        name: Of the image.
        prediction: At the size of the image.
        out: The folder; made if it is missing.
        instances: False for a method that tells no instances apart: a file without a line would say that there is none.
        overwrite: Also replace files of these names that partwise did not write.

    Returns:
        The paths of the files that were written.

    Raises:
        ForeignFileError: If there are such files, and `overwrite` is False.
        PartwiseError: If the name has a space or a slash (the form cannot hold it), or a file cannot be written.
    """
    check_name(name)
    folder = expanded(out)
    lines_path, pixels_path, _ = submission_paths(name, folder)
    written = []
    with ExitStack() as together:

        def save(path: Path, image: Image.Image) -> None:
            file = together.enter_context(atomic_write(path, overwrite=overwrite))
            image.save(file, format="PNG", pnginfo=PNG_TEXT)
            written.append(path)

        if instances:
            lines, found = [], prediction.instances
            for i in range(len(found)):
                mask = _mask_path(name, i, folder)
                save(mask, Image.fromarray(found.full_mask(i)))
                lines.append(f"masks/{mask.name} {found.labels[i]} {float(found.scores[i])!r}\n")
            together.enter_context(atomic_write(lines_path, "w", overwrite=overwrite)).write("".join(lines))
            written.append(lines_path)
        if prediction.semantic_HW is not None:
            save(pixels_path, Image.fromarray(prediction.semantic_HW.astype(np.uint8)))
    return written
