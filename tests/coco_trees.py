"""Small data sets in COCO form that the tests write."""

import json
from pathlib import Path

import numpy as np
from PIL import Image

SQUARE = [2, 2, 10, 2, 10, 8, 2, 8]  # x 2..10, y 2..8


def image(id_: int | str = 1, file_name: str = "a.png", size: tuple[int, int] = (20, 30)) -> dict:
    return {"id": id_, "file_name": file_name, "height": size[0], "width": size[1]}


def annotation(id_: int | str = 1, image_id: int | str = 1, category_id: int = 7, segmentation=None, **more) -> dict:
    shape = [SQUARE] if segmentation is None else segmentation
    return {"id": id_, "image_id": image_id, "category_id": category_id, "segmentation": shape, "iscrowd": 0} | more


def content(annotations: list[dict], images: list[dict] | None = None, categories: list[dict] | None = None) -> dict:
    return {
        "images": [image()] if images is None else images,
        "categories": [{"id": 7, "name": "car"}] if categories is None else categories,
        "annotations": annotations,
    }


def write_coco(file: Path, content: dict, images: Path | None = None) -> Path:
    """Write the JSON, and an image for each that it lists; returns the JSON."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(content))
    for number, one in enumerate(content.get("images", [])):
        if "file_name" in one:
            path = (images or file.parent) / one["file_name"]
            path.parent.mkdir(parents=True, exist_ok=True)
            pixels = np.full((one.get("height", 20), one.get("width", 30), 3), 40 + number, np.uint8)
            Image.fromarray(pixels).save(path)
    return file
