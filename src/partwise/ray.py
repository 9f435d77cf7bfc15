"""A model as a class of Ray Data's `map_batches`: the loop over photos, machines and GPUs is Ray's. Extra `ray`.

import ray
import partwise.ray

photos = ray.data.read_binary_files("photos", include_paths=True)
found = photos.map_batches(partwise.ray.Predictor, concurrency=2, batch_size=16, num_cpus=1)
found.write_parquet("found")
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from partwise.class_map import ClassNames
from partwise.errors import PartwiseError
from partwise.machine import memory_for
from partwise.segmenter import load
from partwise.shards.model import finder
from partwise.shards.parts import photo_row, table_of

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Predictor"]

_IMAGES = ("bytes", "image")  # what read_binary_files and read_images name their column


class Predictor:
    """Finds the instances in batches of photos. Ray builds one in each actor, so that a model is loaded once.

    A photo that cannot be read or predicted gets a row with its `fault`, and does not stop the others. For this,
    `ray.data.read_binary_files` is better than `ray.data.read_images`, which stops at the first damaged file.

    Args:
        model: See `partwise.load`: a name, a file that all machines can read, or None for the default model.
        min_score: Least score of an instance, for all classes or by class, such as {"*": 0.2, "person": 0.1}. None for
            the score from which the model shows instances; 0 for all that it finds.
        classes: Names of the classes to keep; empty for all.
        device: See `partwise.load`; "auto" is the GPU that Ray gives to the actor, if it gives one.
        class_map: Other names for the model's classes, see `classes` of `partwise.load`.

    Raises:
        PartwiseError: If the model cannot be loaded, or a class or a score does not fit it.
    """

    def __init__(
        self,
        model: str | os.PathLike | None = None,
        *,
        min_score: float | Mapping[str, float] | None = None,
        classes: Sequence[str] = (),
        device: str = "auto",
        class_map: ClassNames | None = None,
    ) -> None:
        segment = load(model, device=device, classes=class_map)
        self._find = finder(segment, min_score, classes)

    def __call__(self, batch: Mapping[str, Sequence[Any]]) -> pa.Table:
        """Find the instances in a batch.

        Args:
            batch: Columns: "bytes" (the content of image files) or "image" (arrays (H, W, 3) uint8), and "path", the
                name of each photo in the result.

        Returns:
            A table with a row for each photo: name, height, width, seconds, instances (label, score, box, COCO RLE),
            and fault, which is null if the photo was predicted.

        Raises:
            PartwiseError: If a column is missing.
        """
        column = next((name for name in _IMAGES if name in batch), None)
        if column is None or "path" not in batch:
            raise PartwiseError(
                f"a batch with the columns {', '.join(map(str, batch)) or 'none'}: give 'path' and 'bytes', "
                "as ray.data.read_binary_files(..., include_paths=True) does"
            )
        pairs = zip(batch["path"], batch[column], strict=True)
        return table_of([self._row(str(path), image) for path, image in pairs])

    def _row(self, name: str, image: Any) -> dict[str, Any]:
        """Predict one photo; what is wrong with it becomes its fault."""
        begin = time.perf_counter()
        try:
            with memory_for("the bytes"):
                found = self._find(image)
                return photo_row(name, found, time.perf_counter() - begin) | {"fault": None}
        except PartwiseError as error:
            return {"name": name, "fault": str(error).removeprefix("the bytes: ")}
