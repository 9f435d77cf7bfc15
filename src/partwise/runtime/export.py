"""Write a network of part maps as an ONNX file, and check it against the network in torch."""

from __future__ import annotations

import base64
import io
import json
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from partwise.backbones.fold import fold_batch_norm
from partwise.errors import PartwiseError
from partwise.files import atomic_write
from partwise.methods import Method, PartMaps
from partwise.model_info import ModelInfo
from partwise.runtime.onnx_file import FORMAT, FORMAT_KEY, INFO_KEY, REFINER_KEY, OnnxFile, open_session, run_session
from partwise.runtime.onnx_parts import named_outputs
from partwise.training.config import method_to_dict

__all__ = ["differences", "export_onnx"]

OPSET = 17
CHECKED_SIZES = ((1, 64, 96), (2, 96, 64), (1, 160, 224))  # (B, H, W), as multiples of 32
TOLERANCE = 1e-3  # largest difference of a logit, relative to the largest logit of the same map


class _Flat(nn.Module):
    """The network with its outputs in one tuple, in the order of `named_outputs`."""

    def __init__(self, method: PartMaps):
        super().__init__()
        self.method = method

    def forward(self, images_B3HW: Tensor) -> tuple[Tensor, ...]:
        outputs = self.method(images_B3HW)
        detail = (outputs["detail"],) if "detail" in outputs else ()
        return (outputs["semantic"], *outputs["objectness"], *outputs["parts"], *detail)


class _Correction(nn.Module):
    """The convolutions of the mask refiner."""

    def __init__(self, method: PartMaps):
        super().__init__()
        self.refiner = method.mask_refiner

    def forward(self, seen_MFnn: Tensor) -> Tensor:
        assert self.refiner is not None
        return self.refiner.correct(seen_MFnn)


def export_onnx(path: Path, method: Method, info: ModelInfo) -> OnnxFile:
    """Write a network as one ONNX file with dynamic batch, height and width, after it was checked.

    Args:
        path: The file. It is replaced only when the new one is complete.
        method: The network, in evaluation mode.
        info: Its description; only the origin is read.

    Returns:
        The file as it is opened for predictions on the CPU.

    Raises:
        PartwiseError: If the network is not one of part maps, or ONNX Runtime computes something else than torch.
    """
    import onnx

    if not isinstance(method, PartMaps):
        raise PartwiseError(f"format onnx: {type(method).__name__} cannot be exported: give a model of part maps")
    method = fold_batch_norm(method).eval()
    flat, names = _Flat(method), named_outputs(len(method.windows), method.mask_refiner is not None)
    images = torch.zeros(2, 3, 64, 96, dtype=torch.uint8)
    axes: dict[str, dict[int, str]] = {"images": {0: "batch", 2: "height", 3: "width"}}
    for name in names:
        rows = 1 if name.startswith("objectness") else 2
        axes[name] = {0: "batch", rows: f"{name}_rows", rows + 1: f"{name}_columns"}
    network = _graph(flat, images, "images", names, axes)
    model = onnx.load_model_from_string(network)
    described = {
        "method": method_to_dict(method.config),
        "label_set": method.label_set.to_dict(),
        "origin": info.origin,
        "size_multiple": method.size_multiple,
    }
    metadata = {FORMAT_KEY: FORMAT, INFO_KEY: json.dumps(described)}
    refiner = None
    if method.mask_refiner is not None:
        inputs = method.mask_refiner.reduce.out_channels + 2
        moving = {0: "windows", 2: "rows", 3: "columns"}
        corrected = {0: "windows", 1: "rows", 2: "columns"}
        seen = torch.zeros(2, inputs, 16, 16)
        refiner = _graph(_Correction(method), seen, "seen", ["correction"], {"seen": moving, "correction": corrected})
        metadata[REFINER_KEY] = base64.b64encode(refiner).decode()
    onnx.helper.set_model_props(model, metadata)
    content = model.SerializeToString()
    provider = "CPUExecutionProvider"
    made = OnnxFile(
        info, method.size_multiple, open_session(content, provider), refiner and open_session(refiner, provider)
    )
    _check(path, method, made)
    with atomic_write(path) as file:
        file.write(content)
    return made


def _graph(module: nn.Module, example: Tensor, name: str, outputs: Sequence[str], axes: Any) -> bytes:
    """Trace a module into an ONNX model."""
    written: Any = io.BytesIO()  # the tracing exporter takes a stream, although its annotation has paths only
    with warnings.catch_warnings(), torch.inference_mode():
        # The traced sizes are those of the graph: the check on several sizes shows that none was fixed.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module,
            (example,),
            written,
            dynamo=False,
            opset_version=OPSET,
            input_names=[name],
            output_names=list(outputs),
            dynamic_axes=axes,
        )
    return written.getvalue()


def differences(method: PartMaps, file: OnnxFile) -> float:
    """Return the largest difference between torch and ONNX Runtime, relative to the largest value of the same map."""
    multiple, random = method.size_multiple, np.random.default_rng(0)
    worst = 0.0
    for batch, height, width in CHECKED_SIZES:
        shape = (batch, 3, height * multiple // 32, width * multiple // 32)
        images = random.integers(0, 256, shape, dtype=np.uint8)
        with torch.inference_mode():
            expected = [one.numpy() for one in _Flat(method)(torch.from_numpy(images))]
        worst = max(worst, _worst(expected, run_session(file.network, "images", images)))
    if method.mask_refiner is not None:
        for count, side in ((1, 16), (5, 64)):
            seen = random.normal(size=(count, method.mask_refiner.reduce.out_channels + 2, side, side))
            seen = seen.astype(np.float32)
            expected = [method.mask_refiner.correct_arrays(seen)]
            worst = max(worst, _worst(expected, run_session(file.refiner, "seen", seen)))
    return worst


def _worst(expected: Sequence[np.ndarray], found: Sequence[np.ndarray]) -> float:
    pairs = list(zip(expected, found, strict=True))
    if any(one.shape != other.shape for one, other in pairs):
        return float("inf")
    return max(float(np.abs(one - other).max() / max(np.abs(one).max(), 1.0)) for one, other in pairs)


def _check(path: Path, method: PartMaps, file: OnnxFile) -> None:
    """Compare with torch on several sizes.

    Raises:
        PartwiseError: If a map differs by more than TOLERANCE.
    """
    worst = differences(method, file)
    if not worst <= TOLERANCE:
        raise PartwiseError(
            f"{path}: ONNX Runtime computes other maps than torch (relative difference {worst:.2g}): nothing was "
            "written; please report it"
        )
