"""Write a network of part maps as an ONNX file or an OpenVINO model, and check it against the network in torch."""

from __future__ import annotations

import base64
import io
import json
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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
from partwise.runtime.exported import FORMAT, FORMAT_KEY, INFO_KEY, REFINER_KEY, ExportedFile, exported_file
from partwise.runtime.exported_parts import named_outputs
from partwise.runtime.onnx_file import open_session, runner
from partwise.runtime.openvino_file import compiled, converted, openvino, write_openvino
from partwise.training.config import method_to_dict

__all__ = ["OnnxModel", "checked_onnx", "differences", "export_onnx", "export_openvino"]

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


def export_onnx(path: Path, method: Method, info: ModelInfo) -> None:
    """Write a network as one ONNX file with dynamic batch, height and width, after it was checked.

    Args:
        path: The file. It is replaced only when the new one is complete.
        method: The network.
        info: Its description; only the origin is read.

    Raises:
        PartwiseError: If the network is not one of part maps, or ONNX Runtime computes something else than torch.
    """
    made = checked_onnx(path, method, info)
    with atomic_write(path) as file:
        file.write(made.content())


def export_openvino(path: Path, method: Method, info: ModelInfo) -> None:
    """Write a network as an OpenVINO model, PATH and the .bin file of the same name, after it was checked.

    Args:
        path: The .xml file.
        method: The network.
        info: Its description; only the origin is read.

    Raises:
        PartwiseError: If the network is not one of part maps, or OpenVINO computes something else than torch.
    """
    folded = _folded(method, "openvino")
    made = _converted(folded, info)
    core = openvino().Core()
    open_refiner = lambda content: compiled(core, core.read_model(content), "CPU")
    model = converted(made.network, made.metadata)
    file = exported_file(path, made.metadata, compiled(core, model, "CPU"), open_refiner)
    _check(path, folded, file, "OpenVINO")
    write_openvino(path, model)


@dataclass(frozen=True)
class OnnxModel:
    """A network as an ONNX model in memory.

    Attributes:
        network: The model without its metadata.
        metadata: The texts that the file holds beside the network, by name.
    """

    network: bytes
    metadata: Mapping[str, str]

    def content(self) -> bytes:
        """Return the bytes of the file."""
        import onnx

        model = onnx.load_model_from_string(self.network)
        onnx.helper.set_model_props(model, dict(self.metadata))
        return model.SerializeToString()

    def opened(self, path: Path) -> ExportedFile:
        """Open the model on the CPU; errors name `path`."""
        provider = "CPUExecutionProvider"
        open_refiner = lambda content: runner(open_session(content, provider))
        return exported_file(path, self.metadata, open_refiner(self.network), open_refiner)


def checked_onnx(path: Path, method: Method, info: ModelInfo) -> OnnxModel:
    """Convert a network into an ONNX model, and compare it with torch; see `export_onnx`."""
    folded = _folded(method, "onnx")
    made = _converted(folded, info)
    _check(path, folded, made.opened(path), "ONNX Runtime")
    return made


def _folded(method: Method, form: str) -> PartMaps:
    """Fold the norms of a network of part maps into its convolutions.

    Raises:
        PartwiseError: If it is a network of another kind.
    """
    if not isinstance(method, PartMaps):
        raise PartwiseError(f"format {form}: {type(method).__name__} cannot be exported: give a model of part maps")
    return fold_batch_norm(method).eval()


def _converted(method: PartMaps, info: ModelInfo) -> OnnxModel:
    """Convert a folded network and its mask refiner."""
    flat, names = _Flat(method), named_outputs(len(method.windows), method.mask_refiner is not None)
    images = torch.zeros(2, 3, 64, 96, dtype=torch.uint8)
    axes: dict[str, dict[int, str]] = {"images": {0: "batch", 2: "height", 3: "width"}}
    for name in names:
        rows = 1 if name.startswith("objectness") else 2
        axes[name] = {0: "batch", rows: f"{name}_rows", rows + 1: f"{name}_columns"}
    described = {
        "method": method_to_dict(method.config),
        "label_set": method.label_set.to_dict(),
        "origin": info.origin,
        "size_multiple": method.size_multiple,
        "parameters": sum(parameter.numel() for parameter in method.parameters()),
    }
    metadata = {FORMAT_KEY: FORMAT, INFO_KEY: json.dumps(described)}
    if method.mask_refiner is not None:
        inputs = method.mask_refiner.reduce.out_channels + 2
        moving = {0: "windows", 2: "rows", 3: "columns"}
        corrected = {0: "windows", 1: "rows", 2: "columns"}
        seen = torch.zeros(2, inputs, 16, 16)
        refiner = _graph(_Correction(method), seen, "seen", ["correction"], {"seen": moving, "correction": corrected})
        metadata[REFINER_KEY] = base64.b64encode(refiner).decode()
    return OnnxModel(_graph(flat, images, "images", names, axes), metadata)


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


def differences(method: PartMaps, file: ExportedFile) -> float:
    """Return the largest difference between torch and a runtime, relative to the largest value of the same map."""
    multiple, random = method.size_multiple, np.random.default_rng(0)
    worst = 0.0
    for batch, height, width in CHECKED_SIZES:
        shape = (batch, 3, height * multiple // 32, width * multiple // 32)
        images = random.integers(0, 256, shape, dtype=np.uint8)
        with torch.inference_mode():
            expected = [one.numpy() for one in _Flat(method)(torch.from_numpy(images))]
        worst = max(worst, _worst(expected, file.network(images)))
    if method.mask_refiner is not None and file.refiner is not None:
        for count, side in ((1, 16), (5, 64)):
            seen = random.normal(size=(count, method.mask_refiner.reduce.out_channels + 2, side, side))
            seen = seen.astype(np.float32)
            expected = [method.mask_refiner.correct_arrays(seen)]
            worst = max(worst, _worst(expected, file.refiner(seen)))
    return worst


def _worst(expected: Sequence[np.ndarray], found: Sequence[np.ndarray]) -> float:
    pairs = list(zip(expected, found, strict=True))
    if any(one.shape != other.shape for one, other in pairs):
        return float("inf")
    return max(float(np.abs(one - other).max() / max(np.abs(one).max(), 1.0)) for one, other in pairs)


def _check(path: Path, method: PartMaps, file: ExportedFile, runtime: str) -> None:
    """Compare with torch on several sizes.

    Raises:
        PartwiseError: If a map differs by more than TOLERANCE.
    """
    worst = differences(method, file)
    if not worst <= TOLERANCE:
        raise PartwiseError(
            f"{path}: {runtime} computes other maps than torch (relative difference {worst:.2g}): nothing was "
            "written; please report it"
        )
