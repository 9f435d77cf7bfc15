"""Write the results of photos to files, as `partwise predict` and `partwise explain` do."""

from __future__ import annotations

import errno
import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from PIL import Image

from partwise.data.given_image import as_image
from partwise.errors import ForeignFileError, PartwiseError
from partwise.evaluation.submission import check_name, submission_paths, write_submission
from partwise.files import atomic_write, require_replaceable, require_writable, write_json
from partwise.machine import memory_for
from partwise.photo_batches import InBatches
from partwise.photo_files import Photo
from partwise.report.coco_file import COCO_NAME, FoundInImage, coco_predictions, file_name_of
from partwise.report.prediction_files import result_paths
from partwise.segmenter import SHOWN_SCORE, Result, Segmenter
from partwise.selection import OTHERS, MinScore, require_selection
from partwise.written import COCO_PREDICTIONS, PNG_TEXT
from streeteval.files import ends_all_writing
from streeteval.instances import Instances


@dataclass(frozen=True)
class Predicted:
    """The outcome of `predict_photos`.

    Attributes:
        files: Number of files that were written.
        done: Number of photos that have results now.
        replaced: Number of these photos that had results of an earlier call.
        faults: An error for each photo without results. The last error may have ended the call.
        instances: Name of a class -> number of its instances in the results, the most frequent class first.
    """

    files: int
    done: int
    replaced: int
    faults: list[PartwiseError]
    instances: dict[str, int]


@dataclass(frozen=True)
class Form:
    """How results are written.

    Attributes:
        kind: "files": four files a photo; "cityscapes": the benchmark's form (evaluation/submission.py); "coco": one
            COCO file for all (report/coco_file.py).
        min_score: Leave out less confident instances, see `Segmenter.__call__`; without it, and for classes that it
            does not name, SHOWN_SCORE, or 0 for the benchmark.
        overwrite: Replace files that partwise did not write, too.
        classes: Names of the only classes whose instances are written; empty for all.
        polygons: In the COCO file masks are polygons.
    """

    kind: Literal["files", "cityscapes", "coco"] = "files"
    min_score: MinScore | None = None
    overwrite: bool = False
    classes: tuple[str, ...] = ()
    polygons: bool = False

    @property
    def submission(self) -> bool:
        """Whether it is the benchmark's form."""
        return self.kind == "cityscapes"

    @property
    def least_scores(self) -> dict[str, float]:
        """The least score of each class that is named, and of the others."""
        given = self.min_score if isinstance(self.min_score, Mapping) else {OTHERS: self.min_score}
        usual = 0.0 if self.submission else SHOWN_SCORE
        return {OTHERS: usual} | {name: score for name, score in given.items() if score is not None}

    @property
    def distinct(self) -> bool:
        """Whether what a higher-scoring instance of another class overlaps is left out: people want one of the two.

        Not for the benchmark, nor where a COCO file is to have all that was found.
        """
        return not self.submission and not (self.kind == "coco" and set(self.least_scores.values()) == {0.0})

    def paths(self, name: str, folder: Path) -> list[Path]:
        """List the files that will be written for a photo alone, as far as they are known before the prediction."""
        alone = submission_paths if self.submission else result_paths
        return [] if self.kind == "coco" else alone(name, folder)


def predict_photos(
    segment: Segmenter,
    photos: Sequence[Photo],
    out: Path,
    form: Form,
    *,
    batch: int = 1,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Predicted:
    """Write the results of every photo that can be read and whose results can be written.

    A photo that fails is recorded as a fault, and the next photo follows. A full disk ends the call. If the call is
    stopped, the COCO file holds the photos that are done.

    Args:
        segment: The model.
        photos: From `find_photos`.
        out: Folder of all results.
        form: How results are written.
        batch: Number of photos that are read before the network runs, see `InBatches`.
        progress: Called with the number of photos that are done, and the number of all photos.

    Returns:
        The numbers of files and photos, and the faults.

    Raises:
        PartwiseError: If `out` is not a folder or cannot be written, or `batch` is below 1.
        KeyboardInterrupt: If the call is stopped; it says what the COCO file holds.
    """
    chosen = {"min_score": form.least_scores, "classes": form.classes, "distinct": form.distinct}
    results = InBatches(segment, photos, batch, chosen)
    require_writable(out)
    require_selection(segment.method.label_set, form.least_scores, form.classes)
    together = out / COCO_NAME
    if form.kind == "coco" and not form.overwrite:
        require_replaceable(together, COCO_PREDICTIONS)
    found: dict[str, Instances] = {}  # of each image in the COCO file
    inputs = {os.path.realpath(photo.path) for photo in photos}
    files, done, replaced, faults = 0, 0, 0, []
    shown: Counter[int] = Counter()
    written: dict[tuple[int, int], Path] = {}
    for number, photo in enumerate(photos, 1):
        try:
            name = file_name_of(photo.path, photo.folder)
            if name in found:
                raise PartwiseError(f"{photo.path}: another photo is called {name} in the COCO file: rename the file")
            earlier = _see_that_it_can_be_written(photo, out, form, inputs, written)
            result = results(number - 1)
            made = _written(result, segment, photo, out, form)
            if form.kind == "coco":
                found[name] = result.instances
            written |= {_identity(path): path for path in made}
            files, done, replaced = files + len(made), done + 1, replaced + earlier
            shown.update(result.labels.tolist())
        except PartwiseError as error:
            faults.append(error.with_traceback(None))  # a traceback would keep a large photo in memory
            if ends_all_writing(error):
                break
        except KeyboardInterrupt:
            if not found:
                raise
            _write_together(found, together, segment, form)
            raise KeyboardInterrupt(f"stopped: {together} holds {len(found)} of {len(photos)} images") from None
        progress(number, len(photos))
    if found:
        _write_together(found, together, segment, form)
        files += 1
    name_of = segment.method.label_set.name_of
    return Predicted(files, done, replaced, faults, {name_of(id_): count for id_, count in shown.most_common()})


def _write_together(found: Mapping[str, Instances], path: Path, segment: Segmenter, form: Form) -> None:
    """Write the one COCO file of all photos."""
    images = [FoundInImage(name, instances) for name, instances in found.items()]
    labels, origin = segment.method.label_set, segment.info.origin
    content = coco_predictions(images, labels, polygons=form.polygons, origin=origin)
    write_json(path, content, overwrite=form.overwrite)


def _written(result: Result, segment: Segmenter, photo: Photo, out: Path, form: Form) -> list[Path]:
    """The files written for one photo; none where all photos have one file."""
    with memory_for(photo.path):
        if form.kind == "coco":
            return []
        if form.submission:
            instances = segment.method.has_instances
            return write_submission(photo.name, result.prediction, out, instances=instances, overwrite=form.overwrite)
        return result.save(out / photo.folder, overwrite=form.overwrite)


def _identity(path: Path) -> tuple[int, int]:
    """Identify a file: equal for two names of it, such as A.json and a.json if the file system ignores case."""
    there = path.stat()
    return there.st_dev, there.st_ino


def _see_that_it_can_be_written(
    photo: Photo, out: Path, form: Form, inputs: set[str], written: dict[tuple[int, int], Path]
) -> bool:
    """Check that the results of a photo can be written, before the network runs.

    Args:
        photo: The photo.
        out: Folder of all results.
        form: How results are written.
        inputs: Real paths of all photos. No result may replace a photo.
        written: The results of this call by `_identity`. No result may replace one of these.

    Returns:
        Whether results of an earlier call will be replaced.

    Raises:
        PartwiseError: If results cannot have the name of the photo, or a file must not be replaced.
    """
    try:
        photo.name.encode()
    except UnicodeEncodeError:
        raise PartwiseError(f"{os.fsencode(photo.path)!r}: the name is not UTF-8: rename the file") from None
    if form.submission:
        check_name(photo.name)
    there = False
    for path in form.paths(photo.name, out / photo.folder):
        try:
            path.lstat()
        except FileNotFoundError:
            continue
        except OSError as error:
            if error.errno == errno.ENAMETOOLONG:
                raise PartwiseError(f"{photo.path}: the name is too long for its results: rename the file") from None
            continue  # writing will report it
        there = True
        ours = written.get(_identity(path)) if path.exists() else None
        if ours is not None and ours.exists() and ours.samefile(path):  # no other call wrote it since
            raise PartwiseError(f"{photo.path}: its result {path} would replace that of another photo: rename the file")
        if os.path.realpath(path) in inputs:
            raise ForeignFileError(f"{path}: a result of {photo.path} would replace this photo: choose another place")
        if not form.overwrite:
            require_replaceable(path)
    return there


def explain_photo(
    segment: Segmenter,
    path: Path,
    out: Path,
    point: tuple[int, int] | None = None,
    *,
    overwrite: bool = False,
) -> tuple[str, list[Path]]:
    """Explain why a pixel of a photo belongs to its instance, or to no instance, and write picture and JSON.

    The files are OUT/NAME_X_Y_explained.png and .json, with X and Y in the photo. Picture, JSON and text give positions
    in pixels of the image as the network saw it.

    Args:
        segment: The model.
        path: The photo.
        out: Folder for the files.
        point: (x, y) in pixels of the photo; None for the middle of the instance with the highest score.
        overwrite: Also replace files that partwise did not write.

    Returns:
        The explanation as text, and the files.

    Raises:
        PartwiseError: If the photo cannot be read, the point lies outside it, nothing was found and no point is given,
            or the files cannot be written.
    """
    from partwise.report.explained import shown_explanation  # needs the extra `report`, which predicting does not

    require_writable(out)
    if point is not None and not overwrite:
        for result in _explained_paths(path, point, out):
            require_replaceable(result)
    with memory_for(path):
        photo = as_image(path)
        image = segment.seen(photo)
    (height, width), (seen_height, seen_width) = photo.shape[:2], image.shape[:2]
    try:
        with memory_for(path):
            explanation = segment.explain(photo, point)
    except PartwiseError as error:
        raise PartwiseError(f"{path}: {str(error).removeprefix(f'{path}: ')}") from None
    words, picture = shown_explanation(explanation, image, segment.method, SHOWN_SCORE)
    point = point or (explanation.point[0] * width // seen_width, explanation.point[1] * height // seen_height)
    paths = _explained_paths(path, point, out)
    with atomic_write(paths[0], overwrite=overwrite) as file:
        Image.fromarray(picture).save(file, "PNG", optimize=True, pnginfo=PNG_TEXT)
        told = explanation.to_json() | {"seen_size": [seen_width, seen_height]}
        write_json(paths[1], told, overwrite=overwrite)  # before the picture takes its name: both or none
    if (seen_height, seen_width) != (height, width):
        sizes = f"{path.name} is {width}x{height}, the network saw it at {seen_width}x{seen_height}"
        words = f"{sizes}, in whose pixels:\n{words}"
    return words, paths


def _explained_paths(photo: Path, point: tuple[int, int], out: Path) -> list[Path]:
    """Return the paths of picture and JSON for a pixel (x, y) of a photo."""
    x, y = point
    return [out / f"{photo.stem}_{x}_{y}_explained{suffix}" for suffix in (".png", ".json")]
