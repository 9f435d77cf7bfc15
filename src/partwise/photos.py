"""Photos in, files out: what `partwise predict` and `partwise explain` do."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from PIL import Image

from partwise.data.image_files import PHOTO_SUFFIXES
from partwise.errors import PartwiseError
from partwise.evaluation.submission import INSTANCES, PIXELS, check_name, write_submission
from partwise.files import atomic_write, write_json
from partwise.methods.centres.explain import CentresExplanation
from partwise.methods.views import AS_USUAL, View
from partwise.report.inspect import draw_explanation, explanation_text
from partwise.report.inspect_centres import centres_explanation_text, draw_centres_explanation
from partwise.report.prediction_files import SUFFIXES
from partwise.segmenter import SHOWN_SCORE, Segmenter, as_image

RESULT_ENDS = (*SUFFIXES, "_explained.png")


def find_images(inputs: Sequence[Path], out: Path) -> list[Path]:
    """The image files that are named or lie in a named folder, at any depth, each once.

    out   where results go: of a folder, neither what lies in there nor what is named as a result is a photo

    Raises PartwiseError for a path that gives none, and for two images whose results would have one name.
    """
    if not inputs:
        raise PartwiseError("no image given: name image files or folders of images")
    paths: dict[Path, Path] = {}
    for path in inputs:
        for found in _images_at(path, out):
            paths.setdefault(found.resolve(), found)
    by_name: dict[str, Path] = {}
    for path in paths.values():
        if (other := by_name.setdefault(path.stem, path)) != path:
            raise PartwiseError(f"{path} and {other} would write the same files: predict them into two folders")
    return list(paths.values())


def _images_at(path: Path, out: Path) -> list[Path]:
    if path.is_dir():
        out, own = out.resolve(), out.resolve() == path.resolve()
        results = (out / INSTANCES, out / PIXELS) if own else (out,)
        files = (file for file in path.rglob("*") if file.suffix.lower() in PHOTO_SUFFIXES and file.is_file())
        files = (file for file in files if not file.name.endswith(RESULT_ENDS))
        found = sorted(f for f in files if not any(map(f.resolve().is_relative_to, results)))
        if not found:
            raise PartwiseError(f"{path}: a folder without images ({', '.join(PHOTO_SUFFIXES)}): give another one")
        return found
    if not path.exists():
        raise PartwiseError(f"{path}: no such file or folder: look at the spelling")
    return [path]


def predict_photos(
    segment: Segmenter,
    paths: Sequence[Path],
    out: Path,
    *,
    submission: bool = False,
    min_score: float | None = None,
    view: View = AS_USUAL,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> tuple[int, list[PartwiseError]]:
    """Write the results of every image that can be read; returns the number of files and one error a bad image.

    submission   write the benchmark's form (evaluation/submission.py) instead of four files an image
    min_score    leave out less sure instances; SHOWN_SCORE, or 0 for a submission
    view         how the network sees the images

    Raises PartwiseError if `out` cannot be written.
    """
    _require_folder(out)
    least = min_score if min_score is not None else 0.0 if submission else SHOWN_SCORE
    files, faults = 0, []
    for done, path in enumerate(paths, 1):
        try:
            name = _name_of(path, submission)
            image = as_image(path)
        except PartwiseError as error:
            faults.append(error)
        else:
            result = segment(
                image, min_score=least, distinct=not submission, name=name, scale=view.scale, flip=view.flip
            )
            if submission:
                has_instances = segment.method.has_instances
                files += len(write_submission(name, result.prediction, out, instances=has_instances))
            else:
                files += len(result.save(out))
        progress(done, len(paths))
    return files, faults


def _name_of(path: Path, submission: bool) -> str:
    """What the results of a photo are called; PartwiseError for a name that they cannot have."""
    try:
        path.stem.encode()
    except UnicodeEncodeError:
        raise PartwiseError(f"{os.fsencode(path)!r}: the name is not UTF-8: rename the file") from None
    if not submission:
        return path.stem
    name = path.stem.removesuffix("_leftImg8bit")
    check_name(name)
    return name


def _require_folder(out: Path) -> None:
    if out.exists() and not out.is_dir():
        raise PartwiseError(f"{out}: this is a file: give a folder for the results")


def explain_photo(
    segment: Segmenter,
    path: Path,
    out: Path,
    point: tuple[int, int] | None = None,
    scale: float | None = None,
) -> tuple[str, list[Path]]:
    """Write why a pixel of a photo belongs to its instance, or to none; returns it in words, and the files.

    point   (x, y) in the photo; the middle of the surest instance without one
    scale   see `Segmenter.__call__`; picture, JSON and words are in pixels of what the network saw

    Files: OUT/<name>_<x>_<y>_explained.png and .json, x and y in the photo.

    Raises PartwiseError as `Segmenter.explain` does.
    """
    _require_folder(out)
    photo = as_image(path)
    image = segment.seen(photo, scale)
    (height, width), (seen_height, seen_width) = photo.shape[:2], image.shape[:2]
    try:
        explanation = segment.explain(photo, point, scale)
    except PartwiseError as error:
        raise PartwiseError(f"{path}: {error}") from None
    config = segment.method.config
    if isinstance(explanation, CentresExplanation):
        picture = draw_centres_explanation(image, explanation)
        words = centres_explanation_text(explanation, SHOWN_SCORE)
    else:
        picture = draw_explanation(image, explanation, config.k)
        words = explanation_text(explanation, config.decode, SHOWN_SCORE)
    x, y = point or (explanation.point[0] * width // seen_width, explanation.point[1] * height // seen_height)
    base = out / f"{path.stem}_{x}_{y}_explained"
    with atomic_write(base.with_name(f"{base.name}.png")) as file:
        Image.fromarray(picture).save(file, "PNG", optimize=True)
    write_json(base.with_name(f"{base.name}.json"), explanation.to_json() | {"seen_size": [seen_width, seen_height]})
    if (seen_height, seen_width) != (height, width):
        sizes = f"{path.name} is {width}x{height}, the network saw it at {seen_width}x{seen_height}"
        words = f"{sizes}, in whose pixels:\n{words}"
    return words, [base.with_name(f"{base.name}{suffix}") for suffix in (".png", ".json")]
