"""Predict shards with a model, and describe the settings that decide its results."""

from __future__ import annotations

import hashlib
import itertools
import os
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from partwise.data.given_image import as_image
from partwise.errors import PartwiseError
from partwise.model_files import find_model
from partwise.photos import Form
from partwise.segmenter import Segmenter
from partwise.selection import MinScore, require_selection
from partwise.shards.listing import WHOLE, Shard, listed_photos
from partwise.shards.run import ShardDone, predict_shard
from streeteval.files import json_ready
from streeteval.instances import Instances

__all__ = ["finder", "predict_photos_in_shards"]


def predict_photos_in_shards(
    segment: Segmenter,
    model: str | os.PathLike | None,
    inputs: Sequence[str | os.PathLike],
    out: Path,
    *,
    min_score: MinScore | None = None,
    classes: Sequence[str] = (),
    shard: Shard = WHOLE,
    resume: bool = False,
    left_out: Counter[str] | None = None,
) -> ShardDone:
    """Write the Parquet parts of one shard of a job.

    Args:
        segment: The model.
        model: What `segment` was loaded from, for its identity.
        inputs: See `listed_photos`.
        out: Folder of the whole job.
        min_score: See `finder`.
        classes: See `finder`.
        shard: Which photos to predict.
        resume: Continue a shard that was begun.
        left_out: See `listed_photos`.

    Raises:
        PartwiseError: See `predict_shard`.
        ModuleNotFoundError: If pyarrow is not installed; the command says which extra has it.
    """
    import pyarrow as pa
    import pyarrow.parquet  # so that a missing library is known before the first photo

    # The default pool takes a gigabyte at once, which is missing where memory is limited.
    pa.set_memory_pool(pa.system_memory_pool())
    if not inputs:
        raise PartwiseError("no image given: name a list, a folder, a pattern or images")
    find, form = finder(segment, min_score, classes), _form(min_score, classes)
    settings = _settings(segment, model, form)
    photos = listed_photos(inputs, shard, left_out)
    first = list(itertools.islice(photos, 1))  # a wrong path is known before anything is written
    return predict_shard(find, itertools.chain(first, photos), out, settings, shard=shard, resume=resume)


def _form(min_score: MinScore | None, classes: Sequence[str]) -> Form:
    """The form of a table of instances: which of them it has is decided as for a COCO file."""
    return Form("coco", min_score, classes=tuple(classes))


def finder(
    segment: Segmenter, min_score: MinScore | None = None, classes: Sequence[str] = ()
) -> Callable[[Any], Instances]:
    """Make the function that finds the instances in an image for Parquet files and Ray.

    Args:
        segment: The model.
        min_score: Least score, for all classes or by class; without it, and for classes that it does not name, the
            score from which instances are shown. With 0 for all, instances that overlap those of other classes stay.
        classes: Names of the only classes whose instances are kept; empty for all.

    Returns:
        Takes what `as_image` takes, and raises PartwiseError for an image that cannot be read or predicted.

    Raises:
        PartwiseError: If the label set lacks a class, or a score is out of range.
    """
    require_selection(segment.method.label_set, 0.0, classes)  # before a text is taken for a list of letters
    form = _form(min_score, classes)
    require_selection(segment.method.label_set, form.least_scores, form.classes)

    def find(image: Any) -> Instances:
        return segment(
            as_image(image), min_score=form.least_scores, classes=form.classes, distinct=form.distinct
        ).instances

    return find


def _settings(segment: Segmenter, model: str | os.PathLike | None, form: Form) -> dict[str, Any]:
    """Describe what decides the results: the model's file, the label set, and the options."""
    with find_model(model).open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    options = segment.options
    return json_ready(
        {
            "model": digest,
            "label_set": segment.method.label_set.to_dict(),
            "min_score": form.least_scores,
            "classes": sorted(form.classes),
            "scale": options.scale,
            "flip": options.flip,
            "overview": options.overview,
            "precision": options.precision,
        }
    )
