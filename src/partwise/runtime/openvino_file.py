"""Networks as OpenVINO IR, a .xml file and a .bin file of the same name, and the requests that run them.

The runtime information of the model holds what the metadata of an ONNX file hold.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import os
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from partwise.errors import PartwiseError
from partwise.files import atomic_write
from partwise.runtime.exported import KEYS, ExportedFile, Run, exported_file, require_format, threads_of

__all__ = ["compiled", "converted", "is_openvino", "open_openvino", "openvino", "openvino_device", "write_openvino"]

WEIGHTS_KEY = "partwise_weights"  # the SHA-256 of the .bin file


def openvino() -> Any:
    """Import OpenVINO without its telemetry, which reports each import to its makers and writes into the home folder.

    OpenVINO has an empty class for the case that `openvino_telemetry` is not installed.

    Raises:
        ModuleNotFoundError: If it is not installed.
    """
    hidden = "openvino" not in sys.modules and "openvino_telemetry" not in sys.modules
    if hidden:
        sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]  # an import of it raises ImportError
    try:
        return importlib.import_module("openvino")
    finally:
        if hidden:
            del sys.modules["openvino_telemetry"]


def is_openvino(path: str | os.PathLike) -> bool:
    """Whether a file has the ending of an OpenVINO model."""
    return Path(path).suffix.lower() == ".xml"


def openvino_device(device: str) -> str:
    """Return OpenVINO's name of a device.

    Args:
        device: "auto" for a GPU of Intel if there is one, "cpu", or a name of OpenVINO, such as "GPU.1".

    Raises:
        PartwiseError: If OpenVINO does not find the device.
    """
    there = openvino().Core().available_devices
    if device == "auto":
        return next((one for one in there if one.startswith("GPU")), "CPU")
    name = device.upper()
    if name not in {"CPU", *there}:
        raise PartwiseError(f"device {device!r}: OpenVINO finds no such device: give auto or one of {', '.join(there)}")
    return name


def open_openvino(path: str | os.PathLike, device: str = "auto", threads: int = 0) -> ExportedFile:
    """Open an OpenVINO model that partwise wrote. It computes in fp32, also where bf16 would be faster.

    Args:
        path: The .xml file.
        device: See `openvino_device`.
        threads: Number of threads; 0 for what OMP_NUM_THREADS says, or else one for each core.

    Raises:
        PartwiseError: If one of the two files is missing or damaged, it is not a model of partwise or is of another
            version of the format, or the device is missing.
    """
    weights = _require_ir(Path(path))
    device = openvino_device(device)
    core = openvino().Core()
    try:
        network = core.read_model(os.fspath(path), os.fspath(weights))
        keys = [key for key in (*KEYS, WEIGHTS_KEY) if network.has_rt_info([key])]
        metadata = {key: network.get_rt_info([key]).astype(str) for key in keys}
    except Exception as error:  # OpenVINO raises RuntimeError and others, with several lines
        raise PartwiseError(
            f"{path}: a damaged OpenVINO model, or {weights.name} is not its own ({_last_line(error)}): export it again"
        ) from None
    require_format(path, metadata, "an OpenVINO model")
    if metadata.get(WEIGHTS_KEY) != _digest(weights):
        raise PartwiseError(f"{path}: {weights.name} has the weights of another model: copy both files of one export")
    refiner = lambda content: compiled(core, core.read_model(content), device, threads)
    return exported_file(path, metadata, compiled(core, network, device, threads), refiner)


def _require_ir(path: Path) -> Path:
    """Check that a file is OpenVINO IR, and return the file of its weights.

    OpenVINO takes any other file for a model of another framework, and prints lines of its own.

    Raises:
        PartwiseError: If one of the files is missing, or the first one is no IR.
    """
    try:
        root = ElementTree.parse(path).getroot()
    except OSError as error:
        raise PartwiseError(f"{path}: {(error.strerror or str(error)).lower()}: give an OpenVINO model") from None
    except (ElementTree.ParseError, ValueError, LookupError):
        raise PartwiseError(f"{path}: not an OpenVINO model, or a damaged one: export it again") from None
    if root.tag != "net" or root.find("layers") is None:
        raise PartwiseError(f"{path}: XML, but not an OpenVINO model: give the .xml file that partwise exported")
    weights = path.with_suffix(".bin")
    if not weights.is_file():
        raise PartwiseError(f"{path}: {weights.name} is missing, which holds its weights: copy both files")
    return weights


def compiled(core: Any, model: Any, device: str, threads: int = 0) -> Run:
    """Compile a model for a device, and make a function that runs it. It raises MemoryError if the memory is short."""
    settings = {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY"}
    if device == "CPU" and (count := threads_of(threads)):
        settings["INFERENCE_NUM_THREADS"] = str(count)
    request = core.compile_model(model, device, settings).create_infer_request()

    def run(values: np.ndarray) -> list[np.ndarray]:
        try:
            outputs = request.infer([values])
        except Exception as error:
            if any(word in str(error).lower() for word in ("alloc", "out of memory")):
                raise MemoryError(f"OpenVINO: input of shape {values.shape}") from None
            raise
        return [np.array(one) for one in outputs.values()]  # copies: the next call writes into the same memory

    return run


def converted(content: bytes, metadata: Mapping[str, str]) -> Any:
    """Convert an ONNX model.

    Args:
        content: The ONNX model.
        metadata: What its metadata hold, which becomes the runtime information.
    """
    model = openvino().Core().read_model(content)
    for key, text in metadata.items():
        model.set_rt_info(text, [key])
    return model


def write_openvino(path: Path, model: Any) -> None:
    """Write a converted model as PATH and the .bin file beside it, in fp32, each only when it is complete.

    Raises:
        PartwiseError: If a file cannot be written, or one that partwise did not write would be replaced.
    """
    with TemporaryDirectory(prefix="partwise-") as folder, contextlib.ExitStack() as both:
        made = Path(folder) / "model.xml"
        openvino().save_model(model, str(made), compress_to_fp16=False)
        model.set_rt_info(_digest(made.with_suffix(".bin")), [WEIGHTS_KEY])
        openvino().save_model(model, str(made), compress_to_fp16=False)
        # The .xml file is replaced last: it is the one that names the other.
        files = {suffix: both.enter_context(atomic_write(path.with_suffix(suffix))) for suffix in (".xml", ".bin")}
        for suffix, file in files.items():
            file.write(made.with_suffix(suffix).read_bytes())
            file.flush()


def _digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _last_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
