"""A model ready to use: image in, `Result` out."""

from __future__ import annotations

import io
import os
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from partwise.data.image_files import decode_image, read_image, upright
from partwise.errors import PartwiseError, PartwiseWarning
from partwise.instances import Instances
from partwise.methods import Centres, Method, PartMaps
from partwise.methods.asked import require_inside
from partwise.methods.centres.explain import CentresExplanation, explain_centres
from partwise.methods.method import image_at, image_batch
from partwise.methods.parts.explain import Explanation
from partwise.methods.parts.explain import explain as explain_parts
from partwise.methods.views import Scale, View, seen_sizes
from partwise.report.prediction_files import write_prediction
from partwise.scene import Prediction
from partwise.training.checkpoint import ModelInfo, load_model
from partwise.training.precision import gains_from_bf16, slow_precision
from partwise.trunks.fold import fold_batch_norm

BUNDLED = {"streets": Path(__file__).parent / "weights" / "streets.safetensors"}
DEFAULT_MODEL = "streets"
PRECISIONS = ("no", "bf16", "auto")
SHOWN_SCORE = 0.1  # of instances for people to see: of those of the bundled model, five of six are right


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

    def __call__(
        self,
        image,
        *,
        min_score: float = 0.0,
        distinct: bool = False,
        name: str | None = None,
        scale: Scale = None,
        flip: bool = False,
    ) -> Result:
        """Every instance of an image.

        image      a path, a PIL image, or an array: see `as_image`
        min_score  leave out instances that are less sure
        distinct   leave out what a surer instance of another class overlaps (`Instances.distinct`), as people want it
        name       for the files that `Result.save` writes; the file's stem, or "image"
        scale      the network sees the image so many times as large: less is faster, more finds smaller objects, and
                   of several, such as (1, 1.5), what is found in any; without it as the model says
                   (`method.usual_scale`), but no side longer than 2048 px
        flip       the network sees the image's mirror image, too, and what it says of both is averaged: better, in
                   twice the time

        Raises PartwiseError for a file that is no image, an array of another form, a scale that is not above 0, and
        `flip` with a method that cannot (methods/method.py, `mirrored`).
        """
        if name is None:
            name = Path(image).stem if isinstance(image, str | os.PathLike) else "image"
        pixels = as_image(image)
        with self._autocast():
            prediction = self.method.predict(image_batch(pixels, self.device), View(scale, flip))[0]
        kept = prediction.instances[prediction.instances.scores >= min_score]
        kept = kept.distinct() if distinct else kept
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

    def explain(
        self, image, point: tuple[int, int] | None = None, scale: float | None = None
    ) -> Explanation | CentresExplanation:
        """Why a pixel (x, y) belongs to its instance, or to none; without one, the middle of the surest instance.

        image, scale   as in a call
        returns        everything in pixels of what the network saw, see `seen`

        Raises PartwiseError for a pixel outside the image, an image without instances where no pixel is given, and a
        model that is neither one of part maps nor one of centres.
        """
        explain = next((explain for kind, explain in EXPLAINED.items() if isinstance(self.method, kind)), None)
        if explain is None:
            name = self.info.method.get("kind")
            raise PartwiseError(
                f"a model of method {name}: only part maps and centres can be explained: "
                "give one of those, such as the bundled model"
            )
        pixels = as_image(image)
        size, shown = pixels.shape[:2], self.seen(pixels, scale)
        require_inside(point, size)
        if point is not None:
            point = point[0] * shown.shape[1] // size[1], point[1] * shown.shape[0] // size[0]
        with self._autocast():
            outputs = self.method.respond(image_batch(shown, self.device))
        return explain(self.method, outputs, shown.shape[:2], point)

    def seen(self, image, scale: float | None = None) -> np.ndarray:
        """(H, W, 3) uint8 RGB: an image at the size at which the network sees it, both as in a call."""
        pixels = as_image(image)
        (size,) = seen_sizes(pixels.shape[:2], scale, self.method.usual_scale)
        return image_at(pixels, size)

    def _autocast(self) -> torch.autocast:
        return torch.autocast(torch.device(self.device).type, torch.bfloat16, enabled=self.precision == "bf16")

    def stream(self, images, **options) -> Iterator[Result]:
        """`self(image, **options)` for each of several images."""
        for image in images:
            yield self(image, **options)


def as_image(image) -> np.ndarray:
    """(H, W, 3) uint8 RGB of a path, a PIL image of any mode, or an array.

    Arrays: uint8 (H, W), (H, W, 3) or (H, W, 4), or uint16 (H, W); all are converted as the same image in a file is
    (data/image_files.py). Raises PartwiseError for anything else.
    """
    if isinstance(image, str | os.PathLike):
        return read_image(image)
    if isinstance(image, Image.Image):
        image = upright(image)
        if image.mode == "RGB" and 0 not in image.size:
            return np.array(image)
        return _through_file(image)
    array = np.asarray(image)
    kind, channels = array.dtype.name, array.shape[2] if array.ndim == 3 else 1
    if array.ndim not in (2, 3) or 0 in array.shape or (kind, channels) not in _ARRAYS:
        raise PartwiseError(
            f"an image of shape {array.shape} and type {array.dtype}: give (H, W, 3) uint8 RGB, a path or a PIL image"
        )
    if channels == 3:
        return np.ascontiguousarray(array)
    return _through_file(Image.fromarray(np.ascontiguousarray(array.squeeze())))


EXPLAINED = {PartMaps: explain_parts, Centres: explain_centres}
_ARRAYS = {("uint8", 1), ("uint8", 3), ("uint8", 4), ("uint16", 1)}


def _through_file(image: Image.Image) -> np.ndarray:
    """One rule for grey, transparent and 16-bit images, wherever they come from."""
    buffer = io.BytesIO()
    try:
        image.save(buffer, "TIFF")
    except (OSError, ValueError, KeyError, SystemError) as error:
        raise PartwiseError(f"a PIL image of mode {image.mode}, {image.size}: {error}: convert it to RGB") from None
    return decode_image(buffer.getvalue(), "the image")


def start_files(weights: Sequence[str]) -> list[str]:
    """What a training starts from, with a bundled model's file in the place of its name."""
    return [str(BUNDLED.get(given, given)) for given in weights]


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
        raise PartwiseError(
            f"{path}: a folder without best.safetensors or last.safetensors: give a run folder or a .safetensors file"
        )
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
    precision  "no" (fp32), "bf16" (faster on a GPU, or a processor with AMX), or "auto": bf16 where it is faster here
    decode     fields of the method's DecodeConfig to replace, such as {"nms_iou": 0.6}

    Warns (PartwiseWarning) where "bf16" is asked for and the hardware only emulates it.
    Raises PartwiseError for a model that is missing, damaged or of another version, and for a device that is not here.
    """
    device = find_device(device)
    if precision not in PRECISIONS:
        raise PartwiseError(f"precision {precision!r}: give {', '.join(PRECISIONS[:-1])} or {PRECISIONS[-1]}")
    if precision == "auto":
        precision = "bf16" if gains_from_bf16(torch.device(device)) else "no"
    elif precision == "bf16" and (slow := slow_precision(torch.device(device))):
        warnings.warn(slow, PartwiseWarning, stacklevel=2)
    method, info = load_model(find_model(model), decode=decode)
    return Segmenter(fold_batch_norm(method), info, device, precision)


def find_device(name: str) -> str:
    """The device of this name; "auto" is a GPU where there is one. Raises PartwiseError for one that is not here."""
    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if name == "auto":
        return "cuda" if gpus else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError:
        raise PartwiseError(f"device {name!r}: give cpu, cuda, cuda:1 or auto") from None
    if device.type == "cuda" and (device.index or 0) >= gpus:
        raise PartwiseError(f"device {name!r}: torch sees {gpus or 'no'} GPU here: give cpu or auto")
    if device.type not in ("cpu", "cuda", "mps") or (device.type == "mps" and not torch.backends.mps.is_available()):
        raise PartwiseError(f"device {name!r} cannot be used here: give cpu, cuda or auto")
    return name
