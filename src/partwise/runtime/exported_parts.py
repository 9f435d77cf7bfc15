"""Part maps of an exported file, which ONNX Runtime or OpenVINO computes. Nothing here needs torch.

Axes: B images, F channels of the refiner's input, M windows, n cells a side, H and W pixels.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from partwise.class_map import ClassMap
from partwise.data.resized import planes_at
from partwise.errors import PartwiseError
from partwise.geometry import padded_size
from partwise.methods.options import DEFAULT_OPTIONS, InferenceOptions, mean_outputs, seen_sizes
from partwise.methods.parts.decode import ImageOutputs, PartsDecoder
from partwise.methods.parts.decode_config import DecodeConfig
from partwise.methods.parts.mirror import mirrored_outputs
from partwise.methods.parts.windows import parse_windows, part_weights_array
from partwise.methods.views import predict_views
from partwise.runtime.exported import ExportedFile
from partwise.scene import Prediction

__all__ = ["ExportedParts", "named_outputs"]


def named_outputs(count: int, detail: bool) -> list[str]:
    """List the names of the network's outputs in the file, for `count` grids of windows."""
    grids = [f"{what}_{index}" for what in ("objectness", "parts") for index in range(count)]
    return ["semantic", *grids] + ["detail"] * detail


class ExportedParts:
    """A model of part maps in an exported file; it predicts as `PartMaps` does.

    Attributes:
        label_set: The classes of the predictions.
        info: The description in the file.
        has_instances: Whether predictions have instances.
        has_semantics: Whether predictions have a semantic map.
        largest_px: Longest side of an object that the largest windows hold.

    Args:
        file: The opened file.
        decode: Fields of the decoder to replace.
        classes: Names predictions by other classes than the model's, see `ClassMap`.

    Raises:
        PartwiseError: If a field of the decoder is unknown or out of range.
    """

    has_instances = True
    has_semantics = True

    def __init__(self, file: ExportedFile, decode: Mapping[str, Any] | None = None, classes: ClassMap | None = None):
        self.file, self.info, self.classes = file, file.info, classes
        method = file.info.method
        try:
            self.config = DecodeConfig(**(method["decode"] | dict(decode or {})))
        except TypeError as error:
            raise PartwiseError(f"decode: {error}: give fields of {', '.join(asdict(DecodeConfig()))}") from None
        self.windows, self.k = parse_windows(method["windows"]), int(method["k"])
        self.largest_px = float(method["assign"]["fill_max"]) * self.windows[-1].side_px  # as in `PartMaps`
        self.part_weights = [part_weights_array(self.k, one.cells, method["assembling"]) for one in self.windows]
        self.decoder = PartsDecoder(self.config, self.windows, file.info.label_set)
        self.label_set = file.info.label_set if classes is None else classes.new
        self.names = named_outputs(len(self.windows), file.refiner is not None)

    @property
    def default_scale(self) -> float:
        """The scale in the settings of the decoder."""
        return self.config.scale

    @property
    def view_px(self) -> int:
        """The limit in the settings of the decoder."""
        return self.config.view_px

    def respond(self, images_B3HW: np.ndarray, flip: bool = False) -> dict[str, Any]:
        """Compute the outputs of the network for images of any size, see `Method.respond`.

        Args:
            images_B3HW: (B, 3, H, W) uint8 RGB.
            flip: Whether to average the outputs with those of the mirror images.
        """
        height, width = images_B3HW.shape[-2:]
        whole = padded_size((height, width), self.file.size_multiple)
        padded = np.pad(images_B3HW, ((0, 0), (0, 0), (0, whole[0] - height), (0, whole[1] - width)))
        outputs = self._run(padded)
        if not flip:
            return outputs
        mirrored = self._run(np.ascontiguousarray(padded[..., ::-1]))
        return mean_outputs(outputs, mirrored_outputs(mirrored, self.windows, self.k))

    def _run(self, images_B3HW: np.ndarray) -> dict[str, Any]:
        """Run the network; the outputs have the form of `PartMaps`."""
        by_name = dict(zip(self.names, self.file.network(images_B3HW), strict=True))
        grids = range(len(self.windows))
        maps = {name: by_name[name] for name in ("semantic", "detail") if name in by_name}
        return maps | {what: [by_name[f"{what}_{index}"] for index in grids] for what in ("objectness", "parts")}

    def _correct(self, seen_MFnn: np.ndarray) -> np.ndarray:
        """Run the mask refiner, see `MaskRefiner.correct`."""
        assert self.file.refiner is not None
        return self.file.refiner(seen_MFnn)[0]

    def decode(self, outputs: Mapping[str, Any], size: tuple[int, int]) -> list[Prediction]:
        """Decode the outputs for each image, see `PartsDecoder.decode`."""
        correct = None if self.file.refiner is None else self._correct
        images = (ImageOutputs.of(outputs, b) for b in range(len(outputs["semantic"])))
        return [self.decoder.decode(one, self.part_weights, size, correct).prediction for one in images]

    def predict(self, images_B3HW: Any, options: InferenceOptions = DEFAULT_OPTIONS) -> list[Prediction]:
        """Predict instances and semantic maps, see `Method.predict`.

        Args:
            images_B3HW: (B, 3, H, W) uint8 RGB, an array or a tensor.
            options: `scale`, `flip` and `overview` are read.

        Raises:
            PartwiseError: If several scales are given.
        """
        images = np.asarray(images_B3HW)
        size = images.shape[2], images.shape[3]
        seen = seen_sizes(size, options.scale, self.default_scale, self.view_px)
        if len(seen) > 1:
            raise PartwiseError(
                f"scale {options.scale}: an exported file predicts at one scale at a time: give one number"
            )
        found = predict_views(
            lambda view: self._predict_at(images, view, options.flip),
            size,
            seen[0],
            self.largest_px if options.overview else math.inf,
            self.file.info.label_set,
        )
        return found if self.classes is None else [self.classes.applied(one) for one in found]

    def _predict_at(self, images_B3HW: np.ndarray, view: tuple[int, int], flip: bool) -> list[Prediction]:
        """Predict images that the network sees at the size `view`; the predictions have the size of the images."""
        resized = np.stack([planes_at(one, view) for one in images_B3HW])
        found = self.decode(self.respond(resized, flip), view)
        return [one.resized((images_B3HW.shape[2], images_B3HW.shape[3])) for one in found]
