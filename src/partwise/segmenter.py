"""A model ready to use: image in, `Result` out."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from partwise.data.image_files import read_image
from partwise.errors import PartwiseError
from partwise.methods import Method
from partwise.report.prediction_files import write_prediction
from partwise.scene import Instances, Prediction
from partwise.training.checkpoint import ModelInfo, load_model
from partwise.trunks.fold import fold_batch_norm

BUNDLED = {"streets": Path(__file__).parent / "weights" / "streets.safetensors"}
DEFAULT_MODEL = "streets"


@dataclass(frozen=True, eq=False)
class Result(Instances):
    """The instances of one image, with the semantic map, the image itself and the model's origin.

    semantic_HW   (H, W) uint8 ids of the label set
    image_HW3     (H, W, 3) uint8 RGB, as it was given
    name          of the image, for the files that `save` writes
    origin        what the model file says of itself
    """

    semantic_HW: np.ndarray | None = None
    image_HW3: np.ndarray | None = None
    name: str = "image"
    origin: dict = field(default_factory=dict)

    @property
    def instances(self) -> Instances:
        """The instances alone."""
        return Instances(self.labels, self.scores, self.boxes, self.masks, self.size)

    @property
    def prediction(self) -> Prediction:
        """Instances and semantic map, as the evaluator and the overlays take them."""
        return Prediction(self.instances, self.semantic_HW)

    def save(self, out_dir: str | os.PathLike) -> list[Path]:
        """Write overlay, instanceIds, labelIds and JSON (see report/prediction_files.py); returns the paths."""
        return write_prediction(self.name, self.image_HW3, self.prediction, out_dir, origin=self.origin)


class Segmenter:
    """A trained method on a device. Made by `load`.

    precision  "no" (fp32) or "bf16"
    """

    def __init__(self, method: Method, info: ModelInfo, device: str = "cpu", precision: str = "no"):
        self.method = method.to(device, memory_format=torch.channels_last).eval()
        self.info, self.device, self.precision = info, device, precision

    def __call__(self, image, *, min_score: float = 0.0, name: str | None = None) -> Result:
        """Every instance of an image.

        image      a path, a PIL image, or an array (H, W, 3) or (H, W), uint8
        min_score  leave out instances that are less sure
        name       for the files that `Result.save` writes; the file's stem, or "image"

        Raises PartwiseError for a file that is no image and for an array of another form.
        """
        if name is None:
            name = Path(image).stem if isinstance(image, str | os.PathLike) else "image"
        pixels = as_image(image)
        tensor = torch.tensor(pixels).permute(2, 0, 1)[None].to(self.device)
        with torch.autocast(torch.device(self.device).type, torch.bfloat16, enabled=self.precision == "bf16"):
            prediction = self.method.predict(tensor)[0]
        kept = prediction.instances[prediction.instances.scores >= min_score]
        return Result(
            kept.labels,
            kept.scores,
            kept.boxes,
            kept.masks,
            kept.size,
            semantic_HW=prediction.semantic_HW,
            image_HW3=pixels,
            name=name,
            origin=self.info.origin,
        )

    def stream(self, images, *, min_score: float = 0.0) -> Iterator[Result]:
        """`self(image)` for each of several images."""
        for image in images:
            yield self(image, min_score=min_score)


def as_image(image) -> np.ndarray:
    """(H, W, 3) uint8 of a path, a PIL image or an array."""
    if isinstance(image, str | os.PathLike):
        return read_image(image)
    if isinstance(image, Image.Image):
        return np.array(image.convert("RGB"))
    array = np.asarray(image)
    if array.dtype == np.uint8 and array.ndim == 2:
        return np.repeat(array[:, :, None], 3, axis=2)
    if array.dtype != np.uint8 or array.ndim != 3 or array.shape[2] != 3 or 0 in array.shape:
        raise PartwiseError(
            f"an image of shape {array.shape} and type {array.dtype}: give (H, W, 3) uint8 RGB, a path or a PIL image"
        )
    return np.ascontiguousarray(array)


def find_model(name_or_file: str | os.PathLike | None = None) -> Path:
    """The file of a bundled model's name, a model file, or a run folder (its best weights, else its last).

    Raises PartwiseError where there is none.
    """
    name = DEFAULT_MODEL if name_or_file is None else os.fspath(name_or_file)
    if name in BUNDLED:
        if not BUNDLED[name].is_file():
            raise PartwiseError(f"the bundled model {name!r} is missing from this installation: install partwise again")
        return BUNDLED[name]
    path = Path(name)
    if path.is_dir():
        for file in (path / "best.safetensors", path / "last.safetensors"):
            if file.is_file():
                return file
        raise PartwiseError(f"{path}: a folder without best.safetensors or last.safetensors: give a run folder")
    if not path.is_file():
        raise PartwiseError(f"{path}: no such model: give a .safetensors file, a run folder, or {', '.join(BUNDLED)}")
    return path


def load(
    model: str | os.PathLike | None = None,
    *,
    device: str = "cpu",
    precision: str = "no",
    decode: dict | None = None,
) -> Segmenter:
    """A model ready to use; never touches the network.

    model      None for the bundled one, its name, a .safetensors file, or a run folder
    device     as torch names it; "auto" takes a GPU where there is one
    precision  "no" (fp32) or "bf16" (faster on a GPU, or a processor with AMX)
    decode     fields of the method's DecodeConfig to replace, such as {"nms_iou": 0.6}
    """
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    method, info = load_model(find_model(model), decode=decode)
    return Segmenter(fold_batch_norm(method), info, device, precision)
