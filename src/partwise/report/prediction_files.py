"""Write the files of a prediction: an overlay for people, two PNGs in Cityscapes' form, and JSON for programs."""

from __future__ import annotations

import contextlib
import io
import itertools
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from partwise.errors import PartwiseError
from partwise.files import atomic_write
from partwise.report.overlay import draw_overlay
from partwise.scene import Prediction
from partwise.written import PICTURES_OF_PREDICTION, PNG_TEXT
from streeteval.files import expanded, json_ready, mode_of
from streeteval.labels import CITYSCAPES, INSTANCE_FACTOR, LabelSet

_LONGEST_NAME = 255  # bytes, on most file systems
SUFFIXES = (*PICTURES_OF_PREDICTION, ".json")
UNNAMED = "image"  # name of the results of an image without a name


def write_prediction(
    name: str | None,
    image_HW3: np.ndarray,
    prediction: Prediction,
    out_dir: str | os.PathLike,
    label_set: LabelSet = CITYSCAPES,
    *,
    origin: Mapping[str, Any] | None = None,
    overwrite: bool = False,
) -> list[Path]:
    """Write four files: all of them or none.

    - NAME_overlay.png is the picture of `draw_overlay`, 8-bit RGB.
    - NAME_instanceIds.png has 16 bits: id * 1000 + number for instances, or else the semantic id. A higher score lies
      on top. Where a class with instances has an id above 64, 16 bits are too few: the same values are RGB there,
      R + 256 G + 65536 B, as in COCO's panoptic PNGs.
    - NAME_labelIds.png has 8-bit ids; without a semantic map, those of the instances alone.
    - NAME.json has what `prediction_record` returns.

    Args:
        name: Name of the image, without a folder and a suffix; None for the first free name of image, image_2,
            image_3, ...
        image_HW3: (H, W, 3) uint8 RGB.
        prediction: Instances and semantic map of the image.
        out_dir: The folder. It is made if it is missing. Files of the same names that partwise wrote are replaced.
        label_set: The classes.
        origin: How the prediction was made (model, version, ...), copied into the JSON.
        overwrite: Also replace files of these names that partwise did not write.

    Returns:
        The four paths in this order.

    Raises:
        ForeignFileError: If a file lies there that partwise did not write, without `overwrite`.
        PartwiseError: If the folder cannot be written, no file can have the name, or a class has more than 1000
            instances.
    """
    out_dir = expanded(out_dir)
    if name is None:
        name = _free_name(out_dir)
    _require_file_name(name)
    instance_ids_HW = prediction.to_id_map()
    semantic_HW = prediction.semantic_HW
    if semantic_HW is None:
        semantic_HW = instance_ids_HW // INSTANCE_FACTOR
    record = prediction_record(name, prediction, label_set, origin=origin)
    contents = (
        _png(draw_overlay(image_HW3, prediction, label_set)),
        _png(_coded_ids(instance_ids_HW, label_set)),
        _png(semantic_HW.astype(np.uint8)),
        (json.dumps(json_ready(record), indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode(),
    )
    paths = result_paths(name, out_dir)
    with contextlib.ExitStack() as together:
        files = [together.enter_context(atomic_write(path, overwrite=overwrite)) for path in paths]
        for file, content in zip(files, contents, strict=True):
            file.write(content)
            file.flush()  # so that a full disk is noticed before the first file takes its name
    return paths


def result_paths(name: str, out_dir: Path) -> list[Path]:
    """Return the paths of the four files of a prediction, in the order of SUFFIXES."""
    return [out_dir / f"{name}{suffix}" for suffix in SUFFIXES]


def _free_name(out_dir: Path) -> str:
    """Return the first free name of image, image_2, image_3, ..."""
    names = itertools.chain([UNNAMED], (f"{UNNAMED}_{number}" for number in itertools.count(2)))
    return next(name for name in names if not any(map(mode_of, result_paths(name, out_dir))))


def _require_file_name(name: str) -> None:
    """Check the name of an image.

    Raises:
        PartwiseError: If no file can have this name with SUFFIXES.
    """
    if not name or Path(name).name != name or name in (".", ".."):
        raise PartwiseError(f"cannot write the prediction of {name!r}: a name holds no folder; pass the file's stem")
    try:
        size = len(name.encode()) + max(map(len, SUFFIXES))
    except UnicodeEncodeError:
        size = 0
    if not size or "\0" in name:
        raise PartwiseError(f"cannot write the prediction of {name!r}: no file can have this name: give another one")
    if size > _LONGEST_NAME:
        raise PartwiseError(
            f"cannot write the prediction of {name[:40]}...: its file names would have {size} bytes, "
            f"at most {_LONGEST_NAME} are possible: give a shorter name"
        )


def prediction_record(
    name: str,
    prediction: Prediction,
    label_set: LabelSet = CITYSCAPES,
    *,
    origin: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Convert a prediction to a dict that JSON can hold.

    The dict has "name", "label_set", "image" (width and height in pixels), "origin" and "instances", highest score
    first. Each instance has:

    - "label" and "label_id": name of the class, and its id in the data that the model was trained on.
    - "score": a higher score is more confident.
    - "box": x0 y0 x1 y1 in pixels, half-open.
    - "area": number of pixels of the mask.
    - "instance_id": its value in NAME_instanceIds.png; higher-scoring instances may hide it there.
    - "segmentation": COCO's compressed RLE with size [height, width] and counts.

    Args:
        name: Name of the image.
        prediction: The prediction.
        label_set: The classes.
        origin: How the prediction was made.
    """
    instances = prediction.instances
    height, width = instances.size
    ids, entries = instances.id_values, instances.to_coco(name)
    rows = []
    for i in np.argsort(-instances.scores, kind="stable"):
        label_id = int(instances.labels[i])
        rows.append(
            {
                "label": label_set.name_of(label_id),
                "label_id": label_set.file_id_of(label_id),
                "score": entries[i]["score"],
                "box": instances.boxes[i].tolist(),
                "area": int(instances.areas[i]),
                "instance_id": int(ids[i]),
                "segmentation": entries[i]["segmentation"],
            }
        )
    return {
        "name": name,
        "label_set": label_set.name,
        "image": {"width": width, "height": height},
        "origin": dict(origin or {}),
        "instances": rows,
    }


def _coded_ids(instance_ids_HW: np.ndarray, label_set: LabelSet) -> np.ndarray:
    """Instance ids as the samples of a PNG; all images of a label set have the same kind.

    Args:
        instance_ids_HW: (H, W) int32, id * 1000 + number or the bare id.
        label_set: Of the ids.

    Returns:
        (H, W) uint16, or (H, W, 3) uint8 if an id of a class with instances does not fit.
    """
    highest = max((label.id for label in label_set if label.has_instances), default=0)
    if max(highest * INSTANCE_FACTOR + INSTANCE_FACTOR - 1, int(instance_ids_HW.max(initial=0))) < 1 << 16:
        return instance_ids_HW.astype(np.uint16)
    return np.stack([instance_ids_HW >> shift & 255 for shift in (0, 8, 16)], axis=-1).astype(np.uint8)


def _png(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, "PNG", compress_level=3, pnginfo=PNG_TEXT)
    return buffer.getvalue()
