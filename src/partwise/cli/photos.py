"""The commands that find instances in photos and explain them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from partwise.cli.app import DEFAULT_INFERENCE, ClassNames, Inference, Overwrite, app
from partwise.cli.videos import VIDEO_FORMATS, VideoOptions, predict_videos
from partwise.cli.view_options import DEFAULT_INFERENCE_OF_VIEW, InferenceOfView
from partwise.errors import ForeignFileError, PartwiseError
from partwise.terminal import Display, console, counting
from streeteval.errors import on_one_line

if TYPE_CHECKING:
    from partwise.photos import Predicted
    from partwise.segmenter import Segmenter
    from streeteval.labels import LabelSet


@app.command
def predict(
    *inputs: str,
    out: Path,
    model: str | None = None,
    format: Literal["files", "cityscapes", "coco", "parquet", "jsonl", "mots"] | None = None,
    polygons: bool = False,
    min_score: list[str] | None = None,
    only: Annotated[list[str] | None, Parameter(name="--classes")] = None,
    classes: ClassNames = None,
    track: bool = False,
    every: int | None = None,
    begin: Annotated[str | None, Parameter(name="--from")] = None,
    end: Annotated[str | None, Parameter(name="--to")] = None,
    inference: Inference = DEFAULT_INFERENCE,
    batch: int = 1,
    shard: str | None = None,
    resume: bool = False,
    overwrite: Overwrite = False,
) -> None:
    """Find the instances in photos, or in a video.

    If a photo cannot be read or its results cannot be written, the others are still done, the errors are listed at the
    end, and the exit code is 2.

    Args:
        inputs: Images or folders of images; hidden files, files that systems leave behind, and earlier results are
            skipped. Or, without photos, videos: files, addresses of streams such as rtsp://..., numbers of cameras
            such as 0, and with --track folders of frames.
        out: Folder for the results; the results of a folder lie in it as the photos lie in that folder.
        model: A model file, a run folder, or the name of a model; the default model without it.
        format: files: overlay, instanceIds, labelIds and JSON of each image; cityscapes: the benchmark's submission
            form; coco: one COCO file for all, predictions.json, which annotation tools import; parquet: parts for
            any number of photos (docs/scale.md), whose inputs can also be text files (.txt) with one path a line, or -
            for standard input. Of a video: jsonl, a line of JSON a frame; mots, the form of MOTS with --track. Without
            it: files, or jsonl of a video.
        polygons: Write the masks of the COCO file as polygons, not as run lengths; some tools read polygons only.
        min_score: Leave out instances with a lower score: a number for all classes, or CLASS=NUMBER for one, such as
            car=0.3; can be given several times. 0.1 without it, or 0 for the submission form.
        track: Follow the instances of a video from frame to frame. A folder is taken for the frames of a video, in the
            order of their names.
        every: Of a video, take each n-th frame, from the first one of --from on.
        begin: Of a video, the time of the first frame, such as 0:10 or 12.5.
        end: Of a video, the time at which to stop.
        only: Keep instances of these classes only, such as car,person; the semantic map does not change.
        batch: Number of photos that are read before the network runs; those of one size go through it together, which
            is faster on a GPU.
        shard: NUMBER/COUNT: predict this share of the photos; for --format parquet.
        resume: Continue a run in parts: what is done is skipped; for --format parquet.
    """
    from partwise.photo_files import find_photos, left_out_text
    from partwise.photos import Form, predict_photos
    from partwise.selection import parse_classes, parse_min_scores
    from partwise.video.sources import is_video
    from streeteval.reading.faults import counted

    asked = VideoOptions(format, track, every, begin, end)
    video = track or (bool(inputs) and all(is_video(one) for one in inputs))
    of_parts: dict[str, object] = {"--shard": shard, "--resume": resume}
    if video:
        asked.require_no_other({"--polygons": polygons, "--classes": only, "--batch": batch != 1} | of_parts)
        span, video_form = asked.resolved(parse_min_scores(min_score or ()), overwrite)
        segment = loaded(model, inference, classes)
        predict_videos(segment, inputs, out, span, video_form)
        return
    asked.require_none()
    form_name = _form_of_photos(format or "files")
    if polygons and form_name != "coco":
        raise PartwiseError("--polygons is for --format coco: leave it out")
    if format == "parquet":
        if batch != 1:
            raise PartwiseError(f"--batch {batch} is for photos, and not for --format parquet: leave it out")
        if overwrite:
            raise PartwiseError("--overwrite is not for --format parquet: give --resume, or choose another folder")
        if classes:
            raise PartwiseError("--map is not for --format parquet: give the classes of the model")
        chosen = {"min_score": parse_min_scores(min_score or ()) or None, "classes": parse_classes(only or ())}
        return _predict_shard(inputs, out, model, chosen, inference, shard or "1/1", resume)
    if named := " and ".join(name for name, value in of_parts.items() if value):
        raise PartwiseError(f"{named}: for --format parquet: add it, or leave {named} out")
    form = Form(form_name, parse_min_scores(min_score or ()) or None, overwrite, parse_classes(only or ()), polygons)
    found = find_photos(inputs, submission=form.submission)
    if found.left_out:
        console.print(left_out_text(found.left_out))
    for photo in found.renamed if form_name != "coco" else ():
        console.print(on_one_line(f"{photo.path}: another photo has this name, its results are called {photo.name}"))
    segment = loaded(model, inference, classes)
    with counting("predicting") as progress:
        made = predict_photos(segment, found.photos, out, form, batch=batch, progress=progress)
    faults = [*found.faults, *made.faults]
    total = len(found.photos) + len(found.faults)
    if made.done and segment.method.has_instances and not form.submission:
        console.print(_found_text(made.instances, form.least_scores))
    console.print(
        f"wrote {counted(made.files, 'file')} for {made.done} of {total} images to {out}{_remarks(made, faults)}"
    )
    if any(isinstance(fault, ForeignFileError) for fault in faults):
        console.print("next: the same with --overwrite replaces files that partwise did not write")
    if faults:
        raise PartwiseError("\n".join(on_one_line(str(fault)) for fault in faults))


def _found_text(instances: Mapping[str, int], least_scores: Mapping[str, float]) -> str:
    """Say what was found, or how to see what is less certain."""
    from streeteval.reading.faults import counted

    least = min(least_scores.values())
    if instances:
        counts = ", ".join(f"{name} {count}" for name, count in instances.items())
        return f"found {counted(sum(instances.values()), 'instance')}: {counts}"
    if not least:
        return "found no instance"
    return f"found no instance with a score of at least {least:g}: --min-score {least / 2:g} shows less certain ones"


def _form_of_photos(format: str) -> Literal["files", "cityscapes", "coco"]:
    """The form of the results of photos; PartwiseError for a form of videos."""
    if format in VIDEO_FORMATS:
        raise PartwiseError(f"--format {format} is for videos: name one, or give --track with a folder of frames")
    return "coco" if format == "coco" else "cityscapes" if format == "cityscapes" else "files"


def loaded(
    model: str | None,
    inference: Inference | InferenceOfView,
    classes: ClassNames = None,
    label_set: LabelSet | None = None,
) -> Segmenter:
    """Load a model, so that a photo which is too large for the memory ends in an error and not in a kill."""
    from partwise.class_map import parse_class_map
    from partwise.machine import limit_memory
    from partwise.model_files import WITHOUT_TORCH, default_model
    from partwise.segmenter import load

    segment = load(model, options=inference.options(), classes=parse_class_map(classes or ()), label_set=label_set)
    if model is None and default_model() == WITHOUT_TORCH:
        console.print(f"model: {WITHOUT_TORCH}, since PyTorch is not installed")
    if segment.device == "cpu":
        limit_memory()
    return segment


def _predict_shard(
    inputs: Sequence[str],
    out: Path,
    model: str | None,
    chosen: Mapping[str, Any],
    inference: Inference,
    shard: str,
    resume: bool,
) -> None:
    """Write the parts of one shard, and say what was done."""
    from partwise.photo_files import left_out_text
    from partwise.shards.listing import Shard
    from partwise.shards.model import predict_photos_in_shards
    from streeteval.reading.faults import counted

    share = Shard.parsed(shard)
    segment, left_out = loaded(model, inference), Counter[str]()
    with Display("predicting"):
        done = predict_photos_in_shards(
            segment, model, inputs, out, **chosen, shard=share, resume=resume, left_out=left_out
        )
    if left_out:
        console.print(left_out_text(left_out))
    repeated = f"; {done.repeated} listed more than once" if done.repeated else ""
    console.print(f"shard {shard} of {out}: {counted(done.photos, 'photo')}, {done.earlier} from before{repeated}")
    if done.failed:
        table = out / share.folder / "faults-*.parquet"
        raise PartwiseError(f"{counted(done.failed, 'photo')} failed: see {table}; --resume tries them again")


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
    inference: InferenceOfView = DEFAULT_INFERENCE_OF_VIEW,
    overwrite: Overwrite = False,
) -> None:
    """Explain why a pixel of a photo belongs to its instance, or to no instance.

    It shows the windows and part maps, the centres, or the maps of ranks that the pixel was decided by, the votes for
    each class, and how the score is computed.

    Args:
        photo: An image.
        out: Folder for the picture and the JSON; or a file that ends in .html, for a page of the whole photo to click
            in, which needs no server and loads nothing.
        at: The pixel as X,Y; the middle of the instance with the highest score without it.
        model: A model file or run folder; its method must be one that explains: part maps, centres, the
            instance-sensitive FCN or an ordering. The default model without it.
    """
    from partwise.photos import explain_photo

    point = None
    if at:
        x, comma, y = at.partition(",")
        if not (comma and x.strip().isdecimal() and y.strip().isdecimal()):
            raise PartwiseError(f"--at {at}: give a pixel as X,Y, such as 640,300")
        point = int(x), int(y)
    if out.suffix.lower() in (".html", ".htm"):
        return _explain_in_file(photo, out, point, model, inference, overwrite)
    if inference.overview is not None:
        given = "--overview" if inference.overview else "--no-overview"
        raise PartwiseError(f"{given}: one view is explained: leave it out, or write a page with --out FILE.html")
    with Display("explaining"):
        segment = loaded(model, inference)
        words, files = explain_photo(segment, photo, out, point, overwrite=overwrite)
    console.print(words, highlight=False, markup=False, soft_wrap=True)
    console.print(f"wrote {files[0]} and {files[1].name}")
    if not at:
        console.print("next: --at X,Y explains any other pixel, also one where nothing was found")


def _explain_in_file(
    photo: Path,
    out: Path,
    point: tuple[int, int] | None,
    model: str | None,
    inference: InferenceOfView,
    overwrite: bool,
) -> None:
    """Write the page of one file."""
    from partwise.data.given_image import as_image
    from partwise.model_files import model_name
    from partwise.segmenter import load
    from partwise.serve.single_file import explain_in_file

    image_HW3 = as_image(photo)
    segment = load(model, options=inference.options())
    with counting("explaining") as progress:
        names = {"name": photo.name, "model": model_name(model)}
        told = explain_in_file(segment, image_HW3, out, point, **names, overwrite=overwrite, progress=progress)
    x, y = told["pixel"]
    one = told["instance"]
    what = "no instance" if one is None else f"{one['label']}, score {one['score']:.3f}"
    console.print(f"pixel {x},{y}: {what}", highlight=False, markup=False)
    console.print(f"wrote {out}, {out.stat().st_size / 2**20:.1f} MiB")
