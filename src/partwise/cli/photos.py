"""The verbs that find instances in photos, and say why."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from partwise.cli.app import Device, Flip, Precision, Scale, Scales, app
from partwise.errors import PartwiseError
from partwise.terminal import Display, console, counting


@app.command
def predict(
    *inputs: Path,
    out: Path,
    model: str | None = None,
    format: Literal["files", "cityscapes"] = "files",
    min_score: float | None = None,
    device: Device = "cpu",
    precision: Precision = "no",
    scale: Scales = None,
    flip: Flip = False,
) -> None:
    """Find every instance in photos.

    Parameters
    ----------
    inputs
        Images, or folders of images.
    out
        Folder for the results.
    model
        A model file, a run folder, or a bundled model's name; the bundled model without it.
    format
        files: overlay, instanceIds, labelIds and JSON of each image; cityscapes: the benchmark's submission form.
    min_score
        Leave out less sure instances; 0.1 without it, and all are kept for the submission form.
    """
    from partwise.methods.views import View
    from partwise.photos import find_images, predict_photos
    from partwise.segmenter import load

    if min_score is not None and not 0 <= min_score <= 1:
        raise PartwiseError(f"--min-score {min_score}: give a number in 0..1")
    paths = find_images(inputs, out)
    segment = load(model, device=device, precision=precision)
    submission = format == "cityscapes"
    with counting("predicting") as progress:
        files, faults = predict_photos(
            segment,
            paths,
            out,
            submission=submission,
            min_score=min_score,
            view=View(scale, flip),
            progress=progress,
        )
    console.print(f"wrote {files} files for {len(paths) - len(faults)} of {len(paths)} images to {out}")
    if faults:
        raise PartwiseError("\n".join(str(fault) for fault in faults))


@app.command
def explain(
    photo: Path,
    *,
    out: Path,
    at: str = "",
    model: str | None = None,
    device: Device = "cpu",
    precision: Precision = "no",
    scale: Scale = None,
) -> None:
    """Say why a pixel of a photo belongs to its instance, or to none: windows and part maps, or centres; votes; score.

    Parameters
    ----------
    photo
        An image.
    out
        Folder for the picture and the JSON.
    at
        The pixel as X,Y; without it the middle of the surest instance.
    model
        A model file or run folder of part maps or centres; the bundled model without it.
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
        words, files = explain_photo(load(model, device=device, precision=precision), photo, out, point, scale)
    console.print(words, highlight=False, markup=False, soft_wrap=True)
    console.print(f"wrote {files[0]} and {files[1].name}")
    if not at:
        console.print("next: --at X,Y for any other pixel, also one where nothing was found")
