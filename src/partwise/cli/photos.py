"""The commands that find instances in photos and explain them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from partwise.cli.app import DEFAULT_INFERENCE, ClassNames, Inference, Overwrite, app
from partwise.cli.moving import STILL, Moving, show_video
from partwise.errors import ForeignFileError, PartwiseError, on_one_line
from partwise.terminal import Display, console, counting

if TYPE_CHECKING:
    from partwise.photos import Predicted


@app.command
def predict(
    *inputs: str,
    out: Path,
    model: str | None = None,
    format: Literal["files", "cityscapes", "coco", "mots"] = "files",
    polygons: bool = False,
    min_score: list[str] | None = None,
    only: Annotated[list[str] | None, Parameter(name="--classes")] = None,
    classes: ClassNames = None,
    inference: Inference = DEFAULT_INFERENCE,
    overwrite: Overwrite = False,
    moving: Moving = STILL,
) -> None:
    """Find the instances in photos or in a video.

    If a photo cannot be read or its results cannot be written, the others are still done, the errors are listed at the
    end, and the exit code is 2.

    Args:
        inputs: Images or folders of images, or one video: a file, a stream URL or the number of a webcam; hidden files,
            files that systems leave behind, and earlier results are skipped.
        out: Folder for the results; the results of a folder lie in it as the photos lie in that folder.
        model: A model file, a run folder, or the name of a model; the default model without it.
        format: files: overlay, instanceIds, labelIds and JSON of each image; cityscapes: the benchmark's submission
            form; coco: one COCO file for all, predictions.json, which annotation tools import; mots: tracks of a video
            in the text form of MOTS.
        polygons: Write the masks of the COCO file as polygons, not as run lengths; some tools read polygons only.
        min_score: Leave out instances with a lower score: a number for all classes, or CLASS=NUMBER for one, such as
            car=0.3; can be given several times. 0.1 without it, or 0 for the submission form.
        only: Keep instances of these classes only, such as car,person; the semantic map does not change.
    """
    from partwise.class_map import parse_class_map
    from partwise.data.faults import counted
    from partwise.photo_files import find_photos, left_out_text
    from partwise.photos import Form, predict_photos
    from partwise.segmenter import SHOWN_SCORE, load
    from partwise.selection import parse_classes, parse_min_scores
    from partwise.video.predict import VideoForm

    if polygons and format != "coco":
        raise PartwiseError("--polygons is for --format coco: leave it out")
    if moving.is_wanted(inputs):
        if polygons or format not in ("files", "mots"):
            raise PartwiseError(f"--format {format}: a video has the forms files and mots: give one of them")
        video = moving.opened(inputs)
        segment = load(model, options=inference.options(), classes=parse_class_map(classes or ()))
        chosen = {"min_score": parse_min_scores(min_score or ()) or SHOWN_SCORE, "classes": parse_classes(only or ())}
        show_video(segment, video, out, VideoForm(moving.track, format, overwrite), **chosen)
        return
    if format == "mots":
        raise PartwiseError("--format mots is for a video: give a video file, or a folder of frames with --video")
    form = Form(format, parse_min_scores(min_score or ()) or None, overwrite, parse_classes(only or ()), polygons)
    found = find_photos([Path(given) for given in inputs], submission=form.submission)
    if found.left_out:
        console.print(left_out_text(found.left_out))
    for photo in found.renamed if format != "coco" else ():
        console.print(on_one_line(f"{photo.path}: another photo has this name, its results are called {photo.name}"))
    segment = load(model, options=inference.options(), classes=parse_class_map(classes or ()))
    with counting("predicting") as progress:
        made = predict_photos(segment, found.photos, out, form, progress=progress)
    faults = [*found.faults, *made.faults]
    total = len(found.photos) + len(found.faults)
    console.print(
        f"wrote {counted(made.files, 'file')} for {made.done} of {total} images to {out}{_remarks(made, faults)}"
    )
    if any(isinstance(fault, ForeignFileError) for fault in faults):
        console.print("next: the same with --overwrite replaces files that partwise did not write")
    if faults:
        raise PartwiseError("\n".join(on_one_line(str(fault)) for fault in faults))


def _remarks(made: Predicted, faults: Sequence[PartwiseError]) -> str:
    """Say how many photos had earlier results, and how many failed."""
    replaced = f", replacing earlier results of {made.replaced}" if made.replaced else ""
    failed = f"; {len(faults)} failed" if faults else ""
    return replaced + failed


@app.command
def explain(
    photo: Path,
    *,
    out: Path,
    at: str = "",
    model: str | None = None,
    inference: Inference = DEFAULT_INFERENCE,
    overwrite: Overwrite = False,
) -> None:
    """Explain why a pixel of a photo belongs to its instance, or to no instance.

    It shows the windows and part maps, the centres, or the maps of ranks that the pixel was decided by, the votes for
    each class, and how the score is computed.

    Args:
        photo: An image.
        out: Folder for the picture and the JSON.
        at: The pixel as X,Y; the middle of the instance with the highest score without it.
        model: A model file or run folder; its method must be one that explains: part maps, centres, the
            instance-sensitive FCN or an ordering. The default model without it.
    """
    from partwise.photos import explain_photo
    from partwise.segmenter import load

    point = None
    if at:
        x, comma, y = at.partition(",")
        if not (comma and x.strip().isdecimal() and y.strip().isdecimal()):
            raise PartwiseError(f"--at {at}: give a pixel as X,Y, such as 640,300")
        point = int(x), int(y)
    with Display("explaining"):
        segment = load(model, options=inference.options())
        words, files = explain_photo(segment, photo, out, point, overwrite=overwrite)
    console.print(words, highlight=False, markup=False, soft_wrap=True)
    console.print(f"wrote {files[0]} and {files[1].name}")
    if not at:
        console.print("next: --at X,Y explains any other pixel, also one where nothing was found")
