"""ONNX files of partwise: their description, and the sessions of ONNX Runtime that run their networks.

A file is one ONNX model: the network. Its metadata hold the format, a description in JSON, and the mask refiner, a
second small ONNX model, in base64.
"""

from __future__ import annotations

import base64
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from partwise.errors import PartwiseError
from partwise.model_info import ModelInfo
from streeteval.labels import LABEL_SETS, LabelSet

__all__ = ["FORMAT", "OnnxFile", "is_onnx", "open_onnx", "open_session", "provider_of", "run_session"]

FORMAT = "partwise-onnx-1"
FORMAT_KEY, INFO_KEY, REFINER_KEY = "partwise_format", "partwise", "partwise_refiner"


@dataclass(frozen=True, eq=False)
class OnnxFile:
    """An opened file.

    Attributes:
        info: The description, as a safetensors file has it; `method` has the fields of the decoder.
        size_multiple: Number of pixels that the sides of the input must be a multiple of.
        network: The session of the network.
        refiner: The session of the mask refiner; None if the network has none.
    """

    info: ModelInfo
    size_multiple: int
    network: Any
    refiner: Any | None


def is_onnx(path: str | os.PathLike) -> bool:
    """Whether a file has the ending of an ONNX file."""
    return Path(path).suffix.lower() == ".onnx"


def provider_of(device: str) -> str:
    """Return the provider of ONNX Runtime for a device.

    Args:
        device: "auto" for a GPU if there is one, "cpu", "cuda", or the name of a provider.

    Raises:
        PartwiseError: If the installed ONNX Runtime does not have the provider.
    """
    import onnxruntime

    there = onnxruntime.get_available_providers()
    short = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}
    if device == "auto":
        return short["cuda"] if short["cuda"] in there else short["cpu"]
    provider = short.get(device, device)
    if provider not in there:
        raise PartwiseError(
            f"device {device!r}: the installed ONNX Runtime has no provider {provider}: give cpu, auto, "
            f"or one of {', '.join(there)}; for a GPU install onnxruntime-gpu"
        )
    return provider


def open_onnx(path: str | os.PathLike, device: str = "auto") -> OnnxFile:
    """Open an ONNX file that partwise wrote.

    Args:
        path: The file.
        device: See `provider_of`.

    Raises:
        PartwiseError: If the file is missing, damaged, not a file of partwise or of another version of its format, or
            the provider is missing.
    """
    provider = provider_of(device)
    try:
        network = open_session(Path(path).read_bytes(), provider)
        metadata = network.get_modelmeta().custom_metadata_map
    except OSError as error:
        raise PartwiseError(f"{path}: {(error.strerror or str(error)).lower()}: give an ONNX file") from None
    except Exception as error:  # ONNX Runtime has an exception for each kind of damage, with no common base class
        raise PartwiseError(
            f"{path}: not an ONNX file, or a damaged one ({type(error).__name__}): export it again"
        ) from None
    version = metadata.get(FORMAT_KEY)
    if version is None:
        raise PartwiseError(f"{path}: an ONNX file without the description of partwise: export it with partwise")
    if version != FORMAT:
        raise PartwiseError(
            f"{path}: ONNX format {version!r}, this version reads {FORMAT!r}: export the model again with this version"
        )
    try:
        described = json.loads(metadata[INFO_KEY])
        labels = described["label_set"]
        label_set = LABEL_SETS[labels] if isinstance(labels, str) else LabelSet.from_dict(labels, str(path))
        info = ModelInfo(described["method"], label_set, described["origin"])
        multiple = int(described["size_multiple"])
        refiner = metadata.get(REFINER_KEY)
        session = None if refiner is None else open_session(base64.b64decode(refiner), provider)
    except Exception as error:
        raise PartwiseError(f"{path}: its description cannot be read ({error!r}): export the model again") from None
    return OnnxFile(info, multiple, network, session)


def run_session(session: Any, name: str, values: np.ndarray) -> list[np.ndarray]:
    """Run a session with one input.

    Raises:
        MemoryError: If the memory does not suffice.
    """
    try:
        return session.run(None, {name: values})
    except Exception as error:
        if any(word in str(error).lower() for word in ("alloc", "out of memory")):
            raise MemoryError(f"ONNX Runtime: input of shape {values.shape}") from None
        raise


def open_session(content: bytes, provider: str) -> Any:
    """Make a session with as many threads as OMP_NUM_THREADS says, or one for each core."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    threads = os.environ.get("OMP_NUM_THREADS", "")
    options.intra_op_num_threads = int(threads) if threads.isdecimal() else 0
    return onnxruntime.InferenceSession(content, options, providers=[provider])
