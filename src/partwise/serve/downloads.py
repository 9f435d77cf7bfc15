"""What a person downloads of the instances that are shown: overlay, COCO file, the benchmark's form as a zip."""

from __future__ import annotations

import io
import json
import re
import tempfile
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from partwise.evaluation.submission import write_submission
from partwise.report.coco_file import FoundInImage, coco_predictions
from partwise.report.overlay import draw_overlay
from partwise.scene import Prediction
from partwise.segmenter import Result
from partwise.selection import require_selection
from partwise.serve.forms import colours_of
from partwise.written import PNG_TEXT
from streeteval.files import json_ready

__all__ = ["Choice", "cityscapes_zip", "coco_file", "overlay_png", "own_name", "safe_name"]


@dataclass(frozen=True)
class Choice:
    """Which instances are shown.

    Attributes:
        min_score: The least score, 0..1.
        classes: Names of the classes; None for all.
        distinct: Leave out what a higher-scoring instance of another class overlaps.
    """

    min_score: float
    classes: tuple[str, ...] | None = None
    distinct: bool = True

    def indices(self, result: Result) -> np.ndarray:
        """Return the indices of the instances of a result that are shown.

        Raises:
            PartwiseError: For a score out of range, and for a name that is no class with instances.
        """
        require_selection(result.label_set, self.min_score, self.classes or ())
        keep = result.scores >= np.float32(self.min_score)
        if self.classes is not None:
            keep &= np.isin(result.labels, [result.label_set[name].id for name in self.classes])
        which = np.flatnonzero(keep)
        return which[result.instances[which].which_distinct()] if self.distinct else which


def safe_name(name: str) -> str:
    """Make the stem of a file that a browser named: no folder, no suffix, only plain letters, at most 60 of them.

    >>> safe_name("../../etc/pass wd.png"), safe_name("photos/Straße.jpg"), safe_name("...")
    ('pass_wd', 'Stra_e', 'photo')
    """
    last = re.split(r"[/\\]", name)[-1]
    stem = last.rpartition(".")[0] or last
    return re.sub(r"[^A-Za-z0-9-]+", "_", stem).strip("_")[:60] or "photo"


def own_name(name: str) -> str:
    r"""Return the name of a file that a browser sent, as it is on the disk of the person: without a folder.

    A browser sends a quote as %22. Characters that cannot be shown are left out.

    >>> own_name("photos/my %22Straße%22.JPG"), own_name("..\\a\nb.png"), own_name("")
    ('my "Straße".JPG', 'ab.png', 'photo.png')
    """
    last = re.split(r"[/\\]", name.replace("%22", '"'))[-1]
    return "".join(one for one in last if one.isprintable())[:255].strip() or "photo.png"


def overlay_png(result: Result, choice: Choice) -> bytes:
    """Draw the shown instances on the photo, in the colours of the page."""
    which = choice.indices(result)
    assert result.image_HW3 is not None
    prediction = Prediction(result.instances[which], result.semantic_HW)
    colours_N3 = colours_of(result)[which]
    picture = draw_overlay(result.image_HW3, prediction, result.label_set, colours_N3=colours_N3)
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG", compress_level=3, pnginfo=PNG_TEXT)
    return buffer.getvalue()


def coco_file(result: Result, choice: Choice, file_name: str) -> bytes:
    """Return the shown instances as a COCO file; `file_name` is that of the photo."""
    found = FoundInImage(file_name, result.instances[choice.indices(result)])
    content = coco_predictions([found], result.label_set, origin=result.origin)
    return (json.dumps(json_ready(content), ensure_ascii=False) + "\n").encode()


def cityscapes_zip(result: Result, choice: Choice, name: str, *, instances: bool = True) -> bytes:
    """Return the shown instances and the semantic map in the benchmark's submission form, as a zip."""
    shown = Prediction(result.instances[choice.indices(result)], result.semantic_HW)
    buffer = io.BytesIO()
    with tempfile.TemporaryDirectory(prefix="partwise-") as folder:
        written: Sequence[Path] = write_submission(name, shown, folder, instances=instances)
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            for path in sorted(written):
                archive.write(path, path.relative_to(folder).as_posix())
    return buffer.getvalue()
