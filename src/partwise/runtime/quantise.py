"""Write a network of part maps as an ONNX file in int8, after its scores and its time were measured beside fp32.

Weights and activations are quantised statically by ONNX Runtime: a scale for each channel of the weights, and a scale
for each map, from the range of its values on calibration frames. The mask refiner stays in fp32.
"""

from __future__ import annotations

import json
import logging
import math
import platform
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from partwise.errors import PartwiseError
from partwise.files import atomic_write
from partwise.methods import Method
from partwise.model_info import ModelInfo
from partwise.runtime.export import OnnxModel, checked_onnx
from partwise.runtime.exported import INFO_KEY, ExportedFile
from partwise.runtime.exported_parts import ExportedParts
from partwise.scene import Scene, Scenes
from streeteval.evaluator import CityscapesEvaluator
from streeteval.machine import processor
from streeteval.scene import EvenlySpaced

__all__ = ["MAX_DROP", "SCORED_FRAMES", "export_int8"]

SCORED_FRAMES = 32
CALIBRATION_FRAMES = 16  # the ranges are minima and maxima, which hardly change with more frames
MAX_DROP = 0.01
Progress = Callable[[str, int, int], None]


def export_int8(
    path: Path,
    method: Method,
    info: ModelInfo,
    scenes: Scenes,
    *,
    data: str = "",
    frames: int = SCORED_FRAMES,
    max_drop: float = MAX_DROP,
    weight_bits: int | None = None,
    progress: Progress = lambda part, done, total: None,
) -> dict[str, Any]:
    """Write a network as an ONNX file in int8, if its AP is at most `max_drop` below that of fp32.

    Args:
        path: The file. It is replaced only when the new one is complete.
        method: The network.
        info: Its description; only the origin is read.
        scenes: Frames with their truth, with the classes of the network. Of evenly spaced frames every second one is
            scored, and up to CALIBRATION_FRAMES of the others calibrate.
        data: The frames in words, for the file.
        frames: The largest number of frames to score.
        max_drop: Largest difference of AP, 0..1.
        weight_bits: Bits of the weights, 7 or 8. 7 is right on every processor. None for 8 where this processor has
            VNNI or is an ARM processor, and for 7 on others.
        progress: Called with what is being done, how much of it is done, and all of it.

    Returns:
        {"data", "frames", "calibration_frames", "weight_bits", "processor", and for "fp32" and "int8" {"ap", "ap50",
        "iou_class", "ms", "network_ms", "mb"}}: the median milliseconds from an image to its instances, and of the
        network, and the size of the network. The file keeps it.

    Raises:
        PartwiseError: If a number is out of range, there are too few frames, AP is not defined on them, AP falls by
            more than `max_drop`, or `export_onnx` raises it. Then nothing is written.
    """
    if frames < 1 or not 0 <= max_drop <= 1:
        raise PartwiseError(f"{frames} frames, max_drop {max_drop}: give frames from 1 on and a max_drop of 0 to 1")
    if weight_bits not in (None, 7, 8):
        raise PartwiseError(f"weight_bits {weight_bits}: give 7 or 8")
    chosen = EvenlySpaced(scenes, 2 * frames)
    if len(chosen) < 2:
        raise PartwiseError(f"{data}: {len(chosen)} frames: give at least 2, one to calibrate on and one to score")
    fp32 = checked_onnx(path, method, info)
    others = _evenly(range(1, len(chosen), 2), CALIBRATION_FRAMES)
    weight_bits = weight_bits or _weight_bits()
    int8 = _quantised(fp32, _seen_by_network(fp32.opened(path), chosen, others, progress), weight_bits)
    runners = {name: _Runner.of(made, path) for name, made in (("fp32", fp32), ("int8", int8))}
    scored = range(0, len(chosen), 2)
    for done, index in enumerate(scored):
        progress("scoring", done, len(scored))
        for runner in runners.values():
            runner.see(chosen[index])
    measured = {
        "data": data,
        "frames": len(scored),
        "calibration_frames": len(others),
        "weight_bits": weight_bits,
        "processor": processor(),
        **{name: runner.figures() for name, runner in runners.items()},
    }
    _require_little_drop(path, measured, max_drop)
    with atomic_write(path) as file:
        file.write(_with_measured(int8, measured).content())
    return measured


def _require_little_drop(path: Path, measured: Mapping[str, Any], max_drop: float) -> None:
    """Check the scores, see `export_int8`."""
    before, after = (measured[name]["ap"] for name in ("fp32", "int8"))
    if not (math.isfinite(before) and math.isfinite(after)):
        raise PartwiseError(
            f"{measured['data']}: no instance of an evaluated class in {measured['frames']} frames, so AP is not "
            "defined: give more frames"
        )
    if before - after > max_drop:
        raise PartwiseError(
            f"{path}: AP falls from {before:.3f} in fp32 to {after:.3f} in int8 on {measured['frames']} frames, by "
            f"more than {max_drop:g}: nothing was written; export it in fp32, or allow a larger fall"
        )


def _evenly(indices: Sequence[int], count: int) -> list[int]:
    """Return at most `count` of some indices, evenly spaced."""
    count = min(count, len(indices))
    return [indices[i * len(indices) // count] for i in range(count)]


def _seen_by_network(
    file: ExportedFile, scenes: Sequence[Scene], indices: Sequence[int], progress: Progress
) -> list[np.ndarray]:
    """Predict some scenes, and return all that the network saw: (1, 3, H, W) uint8 for each view of each scene."""
    seen: list[np.ndarray] = []

    def network(images_B3HW: np.ndarray) -> list[np.ndarray]:
        seen.append(images_B3HW)
        return file.network(images_B3HW)

    parts = ExportedParts(replace(file, network=network))
    for done, index in enumerate(indices):
        progress("reading calibration frames", done, len(indices))
        parts.predict(scenes[index].image_HW3.transpose(2, 0, 1)[None])
    progress("calibrating", 0, 0)
    return seen


def _weight_bits() -> int:
    """Return the number of bits of weights for this processor.

    Without VNNI, sums of products of 8 bits overflow on x86 (`reduce_range` of ONNX Runtime).
    """
    if platform.machine().lower() in ("arm64", "aarch64"):
        return 8
    try:
        return 8 if "vnni" in Path("/proc/cpuinfo").read_text() else 7
    except OSError:
        return 7


def _quantised(made: OnnxModel, seen: Sequence[np.ndarray], weight_bits: int) -> OnnxModel:
    """Quantise the network of a model with the ranges of its maps on the inputs `seen`."""
    import onnx
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Reader(CalibrationDataReader):
        def __init__(self) -> None:
            self.left = iter(seen)

        def get_next(self) -> dict[str, np.ndarray] | None:
            return next(({"images": images_B3HW} for images_B3HW in self.left), None)

    with TemporaryDirectory(prefix="partwise-") as folder, _without_advice():
        ready, quantised = (str(Path(folder) / name) for name in ("ready.onnx", "int8.onnx"))
        network = onnx.load_model_from_string(made.network)
        quant_pre_process(network, ready, skip_symbolic_shape=True)
        quantize_static(
            ready,
            quantised,
            Reader(),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            reduce_range=weight_bits < 8,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
        )
        return OnnxModel(Path(quantised).read_bytes(), made.metadata)


@contextmanager
def _without_advice() -> Iterator[None]:
    """Inside, the root logger, to which ONNX Runtime writes advice, is silent."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)


@dataclass
class _Runner:
    """A model that is scored and timed."""

    parts: ExportedParts
    evaluator: CityscapesEvaluator
    mb: float
    seconds: list[float] = field(default_factory=list)
    network_seconds: list[float] = field(default_factory=list)

    @classmethod
    def of(cls, made: OnnxModel, path: Path) -> _Runner:
        """Open a model; errors name `path`."""
        file = made.opened(path)
        evaluator = CityscapesEvaluator(file.info.label_set, panoptic=False)
        runner = cls(ExportedParts(file), evaluator, len(made.network) / 1e6)

        def network(images_B3HW: np.ndarray) -> list[np.ndarray]:
            begin = time.perf_counter()
            outputs = file.network(images_B3HW)
            runner.network_seconds[-1] += time.perf_counter() - begin
            return outputs

        runner.parts.file = replace(file, network=network)
        return runner

    def see(self, scene: Scene) -> None:
        """Predict and score a scene."""
        image = scene.image_HW3.transpose(2, 0, 1)[None]
        self.network_seconds.append(0.0)
        begin = time.perf_counter()
        prediction = self.parts.predict(image)[0]
        self.seconds.append(time.perf_counter() - begin)
        self.evaluator.update(scene, prediction.instances, prediction.semantic_HW)

    def figures(self) -> dict[str, Any]:
        """Return the scores and the times, see `export_int8`."""
        computed = self.evaluator.compute()
        instance, semantic = computed["instance"], computed["semantic"]
        ms = lambda seconds: round(1000 * statistics.median(seconds), 1)
        scores = {"ap": instance["ap"], "ap50": instance["ap50"], "iou_class": semantic["iou_class"]}
        times = {"ms": ms(self.seconds), "network_ms": ms(self.network_seconds), "mb": round(self.mb, 2)}
        return {name: round(float(value), 4) for name, value in scores.items()} | times


def _with_measured(made: OnnxModel, measured: Mapping[str, Any]) -> OnnxModel:
    """Add to the description of a model what was measured."""
    described = json.loads(made.metadata[INFO_KEY]) | {"measured": measured}
    return replace(made, metadata={**made.metadata, INFO_KEY: json.dumps(described)})
