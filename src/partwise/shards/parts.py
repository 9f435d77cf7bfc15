"""Parts: Parquet files with a row for each photo, or for each photo that failed. They need the extra `parquet`.

A row of a part holds name, height, width, seconds and the list of instances; a photo without instances has a row, too.
The metadata of the file hold the settings of the run, with label set and model, under the key `partwise`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from partwise.errors import PartwiseError
from partwise.files import atomic_write
from streeteval.boxes import box_of_mask
from streeteval.instances import Instances

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = [
    "FAULTS",
    "PARTS",
    "names_in",
    "part_files",
    "photo_row",
    "photos_in",
    "settings_in",
    "table_of",
    "write_faults",
    "write_part",
]

PARTS, FAULTS = "part", "faults"  # beginnings of the names of files
_METADATA = b"partwise"
_ROWS_AT_ONCE = 64


def photo_row(name: str, found: Instances, seconds: float) -> dict[str, Any]:
    """Make the row of a photo.

    Args:
        name: Of the photo.
        found: Its instances.
        seconds: Time that it took.
    """
    instances = [
        {"label": label, "score": entry["score"], "box": box, "rle": entry["segmentation"]["counts"]}
        for label, box, entry in zip(found.labels.tolist(), found.boxes.tolist(), found.to_coco(), strict=True)
    ]
    height, width = found.size
    return {"name": name, "height": height, "width": width, "seconds": seconds, "instances": instances}


def write_part(path: Path, rows: Sequence[Mapping[str, Any]], settings: Mapping[str, Any]) -> None:
    """Write a part, completely or not at all.

    Args:
        path: Of the part; it must not exist.
        rows: From `photo_row`.
        settings: Of the run, for the metadata.

    Raises:
        PartwiseError: If it cannot be written.
    """
    _write(path, rows, _part_schema(), settings)


def _part_schema() -> pa.Schema:
    """The columns of a part, as a schema of pyarrow."""
    import pyarrow as pa

    instance = pa.struct(
        [("label", pa.int32()), ("score", pa.float32()), ("box", pa.list_(pa.int32(), 4)), ("rle", pa.string())]
    )
    fields = [("name", pa.string()), ("height", pa.int32()), ("width", pa.int32()), ("seconds", pa.float32())]
    return pa.schema([*fields, ("instances", pa.list_(instance))])


def table_of(rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    """Make a table with the columns of a part, and the column `fault`.

    Args:
        rows: From `photo_row`, each with `fault`: a text or None.
    """
    import pyarrow as pa

    return pa.Table.from_pylist(list(rows), schema=_part_schema().append(pa.field("fault", pa.string())))


def write_faults(path: Path, rows: Sequence[Mapping[str, Any]], settings: Mapping[str, Any]) -> None:
    """Write a table with the columns name and fault. See `write_part`."""
    import pyarrow as pa

    _write(path, rows, pa.schema([("name", pa.string()), ("fault", pa.string())]), settings)


def _write(path: Path, rows: Sequence[Mapping[str, Any]], schema: Any, settings: Mapping[str, Any]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = schema.with_metadata({_METADATA: json.dumps(settings).encode()})
    table = pa.Table.from_pylist(list(rows), schema=schema)
    with atomic_write(path) as file:
        pq.write_table(table, file)


def part_files(out: str | os.PathLike, kind: str = PARTS) -> list[Path]:
    """List the files of one kind in the folder of a run or of a shard."""
    folder = Path(out)
    return sorted([*folder.glob(f"{kind}-*.parquet"), *folder.glob(f"shard-*/{kind}-*.parquet")])


def names_in(path: Path) -> list[str]:
    """The names in a part or a table of faults.

    Raises:
        PartwiseError: If it is damaged.
    """
    return [row["name"] for row in _rows(path, ["name"])]


@dataclass(frozen=True)
class PhotoInPart:
    """A photo as a part holds it.

    Attributes:
        name: Of the photo.
        seconds: Time that its prediction took.
        instances: What was found.
    """

    name: str
    seconds: float
    instances: Instances


def settings_in(path: Path) -> dict[str, Any]:
    """The settings of the run that wrote a part.

    Raises:
        PartwiseError: If the file is damaged, or partwise did not write it.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        metadata = pq.read_schema(path).metadata or {}
        settings: dict[str, Any] = json.loads(metadata[_METADATA])
    except (pa.ArrowException, OSError) as error:
        raise _damaged(path, error) from None
    except (KeyError, ValueError):
        raise PartwiseError(f"{path}: partwise did not write this file: give parts of a run") from None
    return settings


def photos_in(out: str | os.PathLike, names: Container[str] | None = None) -> Iterator[PhotoInPart]:
    """Yield the photos of all parts below a folder. At most 64 rows are in memory.

    Args:
        out: The folder of a run or of a shard.
        names: Of the photos to yield; None for all.

    Raises:
        PartwiseError: If there is no part, or one is damaged.
    """
    files = part_files(out)
    if not files:
        raise PartwiseError(f"{out}: no parts (part-*.parquet): give the folder of a run with the format parquet")
    for path in files:
        for row in _rows(path):
            if names is None or row["name"] in names:
                yield PhotoInPart(row["name"], row["seconds"], _instances(row))


def _instances(row: Mapping[str, Any]) -> Instances:
    """Decode the instances of a row."""
    from pycocotools import mask as coco_mask

    size = row["height"], row["width"]
    found = row["instances"]
    masks, boxes = [], []
    for one in found:
        mask = coco_mask.decode({"size": list(size), "counts": one["rle"].encode()}) != 0
        box = box_of_mask(mask) or tuple(one["box"])
        boxes.append(box)
        masks.append(mask[box[1] : box[3], box[0] : box[2]].copy())
    labels, scores = [one["label"] for one in found], [one["score"] for one in found]
    boxes_N4 = np.array(boxes, np.int32).reshape(-1, 4)
    return Instances(np.array(labels, np.int32), np.array(scores, np.float32), boxes_N4, tuple(masks), size)


def _rows(path: Path, columns: list[str] | None = None) -> Iterator[dict[str, Any]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(_ROWS_AT_ONCE, columns=columns):
                yield from batch.to_pylist()
    except (pa.ArrowException, OSError) as error:
        raise _damaged(path, error) from None


def _damaged(path: Path, error: Exception) -> PartwiseError:
    return PartwiseError(f"{path}: cannot be read ({error}): delete it and resume the run")
