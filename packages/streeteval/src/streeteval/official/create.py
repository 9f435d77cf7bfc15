"""Make images from the annotations of a data set: train ids from polygons, panoptic truth from instanceIds.

The names are those of preparation/createTrainIdLabelImgs.py, createTrainIdInstanceImgs.py and createPanopticImgs.py of
cityscapesScripts 2.3.0.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from streeteval.errors import InputError
from streeteval.files import atomic_write
from streeteval.labels import INSTANCE_FACTOR
from streeteval.official.labels import id2label, labels
from streeteval.official.panoptic import id2rgb
from streeteval.official.places import as_command, dataset_path
from streeteval.official.polygons import json2instanceImg, json2labelImg
from streeteval.reading.id_files import encode_png, read_ids
from streeteval.rle import segments

__all__ = [
    "convert2panoptic",
    "create_from_polygons",
    "create_ids",
    "create_panoptic",
    "create_train_id_instances",
    "create_train_id_labels",
    "panoptic_main",
    "train_id_instance_main",
    "train_id_label_main",
]

_POLYGONS, _INSTANCES = "_polygons.json", "_instanceIds.png"


def _show(done: int, total: int) -> None:
    print(f"\rProgress: {100 * done / total:>3.0f} %", end="\n" if done == total else " ", flush=True)


def create_from_polygons(
    root: str | Path,
    makers: Sequence[tuple[str, Callable[[str, str], None]]],
    out: str | Path | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> int:
    """Make images of every *_gt*_polygons.json of gtFine and gtCoarse.

    Args:
        root: Folder of the data set.
        makers: (end of the file, function (JSON, PNG) that makes it) of each image.
        out: Folder that the files go into, in folders as in the data set; None for beside the polygons.
        progress: Called after each annotation with how many are done, and how many there are.

    Returns:
        How many annotations there were.

    Raises:
        InputError: If there is none, or one cannot be drawn.
    """
    root = Path(root)
    found = [path for tree in ("gtFine", "gtCoarse") for path in sorted(root.glob(f"{tree}/*/*/*_gt*{_POLYGONS}"))]
    if not found:
        raise InputError(
            f"Did not find any files. {root} has no gtFine/*/*/*_gt*{_POLYGONS}: set CITYSCAPES_DATASET to the folder "
            "of the data set"
        )
    for done, path in enumerate(found, 1):
        place = path if out is None else Path(out, path.relative_to(root))
        for end, make in makers:
            make(str(path), str(place).replace(_POLYGONS, end))
        progress(done, len(found))
    return len(found)


def _from_polygons(
    words: Sequence[str], what: str, makers: Sequence[tuple[str, Callable[[str, str], None]]], prog: str | None
) -> None:
    """Run a command that draws polygons."""
    parser = argparse.ArgumentParser(prog=prog, description=f"Make {what} of every annotation in CITYSCAPES_DATASET.")
    parser.add_argument("--output-folder", help="folder for the files (default: beside the polygons)")
    asked = parser.parse_args(words)
    create_from_polygons(dataset_path(), makers, asked.output_folder, _show)


def create_train_id_labels(words: Sequence[str], prog: str | None = None) -> None:
    """Make *_labelTrainIds.png of every annotation."""
    make = lambda source, target: json2labelImg(source, target, "trainIds")
    _from_polygons(words, "*_labelTrainIds.png", [("_labelTrainIds.png", make)], prog)


def create_train_id_instances(words: Sequence[str], prog: str | None = None) -> None:
    """Make *_instanceTrainIds.png of every annotation."""
    make = lambda source, target: json2instanceImg(source, target, "trainIds")
    _from_polygons(words, "*_instanceTrainIds.png", [("_instanceTrainIds.png", make)], prog)


def create_ids(words: Sequence[str], prog: str | None = None) -> None:
    """Make *_labelIds.png and *_instanceIds.png of every annotation."""
    makers = [("_labelIds.png", json2labelImg), (_INSTANCES, json2instanceImg)]
    _from_polygons(words, "*_labelIds.png and *_instanceIds.png", makers, prog)


def convert2panoptic(
    cityscapesPath: str | None = None,
    outputFolder: str | None = None,
    useTrainId: bool = False,
    setNames: Sequence[str] = ("val", "train", "test"),
) -> None:
    """Convert *_instanceIds.png to COCO's panoptic form: a folder of PNG files and a JSON file for each split.

    Args:
        cityscapesPath: The folder gtFine; None for that of CITYSCAPES_DATASET.
        outputFolder: Where the files go; None for gtFine itself.
        useTrainId: Whether category ids are train ids.
        setNames: The splits.

    Raises:
        InputError: If a split has no file, or an id is unknown.
    """
    root = Path(cityscapesPath or Path(dataset_path(), "gtFine"))
    out = Path(outputFolder or root)
    for name in setNames:
        files = sorted(root.glob(f"{name}/*/*{_INSTANCES}"))
        if not files:
            pattern = root / name / "*" / f"*{_INSTANCES}"
            raise InputError(
                f"Did not find any files for {name} set using matching pattern {pattern}. Please consult the README."
            )
        print(f"Converting {len(files)} annotation files for {name} set.")
        base = f"cityscapes_panoptic_{name}{'_trainId' if useTrainId else ''}"
        print(f"Corresponding segmentations in .png format will be saved in {out / base}")
        entries = []
        for done, path in enumerate(files, 1):
            entries.append(_convert(path, out / base, useTrainId))
            _show(done, len(files))
        held = {
            "images": [image for image, _ in entries],
            "annotations": [annotation for _, annotation in entries],
            "categories": _categories(useTrainId),
        }
        print(f"Saving the json file {out / base}.json")
        with atomic_write(out / f"{base}.json", "w") as file:
            file.write(json.dumps(held, sort_keys=True, indent=4))


def _categories(useTrainId: bool) -> list[dict[str, Any]]:
    """Return the categories of the JSON file."""
    return [
        {
            "id": label.trainId if useTrainId else label.id,
            "name": label.name,
            "color": list(label.color),
            "supercategory": label.category,
            "isthing": int(label.hasInstances),
        }
        for label in labels
        if not label.ignoreInEval
    ]


def _convert(path: Path, folder: Path, useTrainId: bool) -> tuple[dict[str, Any], dict[str, Any]]:
    """Write the PNG of one image; return its entries among the images and the annotations."""
    ids_HW = read_ids(path)
    found = []
    for value, area, (x0, y0, x1, y1) in zip(*(column.tolist() for column in segments(ids_HW)), strict=True):
        label = id2label.get(value if value < INSTANCE_FACTOR else value // INSTANCE_FACTOR)
        if label is None:
            raise InputError(f"{path}: unknown id {value}: give the instanceIds files of Cityscapes")
        if label.ignoreInEval:
            continue
        found.append(
            {
                "id": value,
                "category_id": label.trainId if useTrainId else label.id,
                "area": area,
                "bbox": [x0, y0, x1 - x0, y1 - y0],
                "iscrowd": int(value < INSTANCE_FACTOR and label.hasInstances),
            }
        )
    kept = np.zeros(int(ids_HW.max()) + 1, np.int32)
    numbers = [one["id"] for one in found]
    kept[numbers] = numbers
    name = path.name.replace(_INSTANCES, "_panoptic.png")
    with atomic_write(folder / name) as file:
        file.write(encode_png(id2rgb(kept[ids_HW])))
    image_id = path.name.replace(f"_gtFine{_INSTANCES}", "")
    image = {
        "id": image_id,
        "width": ids_HW.shape[1],
        "height": ids_HW.shape[0],
        "file_name": path.name.replace(_INSTANCES, "_leftImg8bit.png"),
    }
    return image, {"image_id": image_id, "file_name": name, "segments_info": found}


def create_panoptic(words: Sequence[str], prog: str | None = None) -> None:
    """Convert the splits that the words of a command line name."""
    parser = argparse.ArgumentParser(prog=prog, description="Convert *_instanceIds.png to COCO's panoptic form.")
    parser.add_argument("--dataset-folder", help="the folder gtFine (default: that of CITYSCAPES_DATASET)")
    parser.add_argument("--output-folder", help="folder for the files (default: gtFine itself)")
    parser.add_argument("--use-train-id", action="store_true", help="category ids are train ids")
    parser.add_argument("--set-names", nargs="+", default=["val", "train", "test"], help="default: %(default)s")
    asked = parser.parse_args(words)
    convert2panoptic(asked.dataset_folder, asked.output_folder, asked.use_train_id, asked.set_names)


def train_id_label_main() -> None:
    """Run the command csCreateTrainIdLabelImgs."""
    sys.exit(as_command(create_train_id_labels))


def train_id_instance_main() -> None:
    """Run the command csCreateTrainIdInstanceImgs."""
    sys.exit(as_command(create_train_id_instances))


def panoptic_main() -> None:
    """Run the command csCreatePanopticImgs."""
    sys.exit(as_command(create_panoptic))
