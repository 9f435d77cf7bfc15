"""The instances of many images as one COCO file, which CVAT and Label Studio import.

Category ids are those of the data that the model was trained on (`LabelSet.coco_categories`). Besides what COCO defines
an annotation has its `score`, and the file says under "partwise" which model it is from.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from partwise.outlines import polygons_of
from streeteval.instances import Instances
from streeteval.labels import LabelSet

__all__ = ["COCO_NAME", "FoundInImage", "coco_predictions", "file_name_of"]

COCO_NAME = "predictions.json"


@dataclass(frozen=True, eq=False)
class FoundInImage:
    """What was found in an image.

    Attributes:
        file_name: Of the image, relative to the folder of all images, with "/" between folders.
        instances: Of the image.
    """

    file_name: str
    instances: Instances


def coco_predictions(
    found: Sequence[FoundInImage],
    label_set: LabelSet,
    *,
    polygons: bool = False,
    origin: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The content of a COCO file.

    Args:
        found: Of each image, which get the ids 1, 2, ... in this order.
        label_set: Of the labels of the instances.
        polygons: Masks as polygons along the edges of their pixels, not as run lengths.
        origin: What the model file says of itself.

    Returns:
        "images", "categories" and "annotations" as COCO defines them, and "partwise".
    """
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for image_id, one in enumerate(found, 1):
        height, width = one.instances.size
        images.append({"id": image_id, "file_name": one.file_name, "width": width, "height": height})
        for i, entry in enumerate(one.instances.to_coco(image_id)):
            shape = _polygons(one.instances, i) if polygons else entry["segmentation"]
            annotations.append(
                entry
                | {
                    "id": len(annotations) + 1,
                    "category_id": label_set.file_id_of(int(one.instances.labels[i])),
                    "segmentation": shape,
                    "area": int(one.instances.areas[i]),
                    "iscrowd": 0,
                }
            )
    return {
        "info": {"description": "instances that partwise found"},
        "partwise": {"origin": dict(origin or {})},
        "licenses": [],
        "categories": label_set.coco_categories,
        "images": images,
        "annotations": annotations,
    }


def _polygons(instances: Instances, i: int) -> list[list[int]]:
    """x0 y0 x1 y1 ... of each polygon of an instance, in pixels of the image."""
    corner = instances.boxes[i, :2]
    return [(polygon + corner).ravel().tolist() for polygon in polygons_of(instances.masks[i])]


def file_name_of(path: Path, folder: str) -> str:
    """The name of a photo in a COCO file.

    >>> file_name_of(Path("/data/photos/lima/a.jpg"), "lima")
    'lima/a.jpg'
    """
    return (Path(folder) / path.name).as_posix()
