"""What every exported file holds: the network, a description in JSON, and the mask refiner.

The description and the refiner are texts by name, in the metadata of an ONNX file or in the runtime information of an
OpenVINO model. The refiner is a small ONNX model in base64; every runtime reads it.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from partwise.errors import PartwiseError
from partwise.model_info import ModelInfo
from streeteval.labels import LABEL_SETS, LabelSet

__all__ = ["FORMAT", "KEYS", "ExportedFile", "Run", "exported_file", "require_format", "threads_of"]

FORMAT = "partwise-onnx-1"
FORMAT_KEY, INFO_KEY, REFINER_KEY = KEYS = ("partwise_format", "partwise", "partwise_refiner")

Run = Callable[[np.ndarray], list[np.ndarray]]  # runs a network that has one input


@dataclass(frozen=True, eq=False)
class ExportedFile:
    """An opened file.

    Attributes:
        info: The description, as a safetensors file has it; `method` has the fields of the decoder.
        size_multiple: Number of pixels that the sides of the input must be a multiple of.
        network: Runs the network on (B, 3, H, W) uint8.
        refiner: Runs the mask refiner on (M, F, n, n) float32; None if the network has none.
        parameters: Number of weights and biases of the network in torch.
        measured: What was measured when the network was quantised, see `runtime.quantise`; empty for fp32.
    """

    info: ModelInfo
    size_multiple: int
    network: Run
    refiner: Run | None
    parameters: int
    measured: Mapping[str, Any]


def require_format(path: str | os.PathLike, metadata: Mapping[str, str], what: str) -> None:
    """Check that partwise wrote a file, in the format that this version reads.

    Args:
        path: The file.
        metadata: Its texts by name.
        what: The form of the file in words, such as "an ONNX file".

    Raises:
        PartwiseError: If it did not, or the format is of another version.
    """
    version = metadata.get(FORMAT_KEY)
    if version is None:
        raise PartwiseError(f"{path}: {what} without the description of partwise: export it with partwise")
    if version != FORMAT:
        raise PartwiseError(
            f"{path}: format {version!r}, this version reads {FORMAT!r}: export the model again with this version"
        )


def exported_file(
    path: str | os.PathLike, metadata: Mapping[str, str], network: Run, open_refiner: Callable[[bytes], Run]
) -> ExportedFile:
    """Read the description of an opened file.

    Args:
        path: The file.
        metadata: Its texts by name.
        network: Runs the network.
        open_refiner: Opens the ONNX model of the mask refiner.

    Raises:
        PartwiseError: If the description cannot be read.
    """
    try:
        described = json.loads(metadata[INFO_KEY])
        labels = described["label_set"]
        label_set = LABEL_SETS[labels] if isinstance(labels, str) else LabelSet.from_dict(labels, str(path))
        info = ModelInfo(described["method"], label_set, described["origin"])
        multiple, measured = int(described["size_multiple"]), dict(described.get("measured", {}))
        parameters = int(described["parameters"])
        content = metadata.get(REFINER_KEY)
        refiner = None if content is None else open_refiner(base64.b64decode(content))
    except Exception as error:  # every runtime has errors of its own for a damaged refiner
        reason = repr(error).partition("\\n")[0]
        raise PartwiseError(f"{path}: its description cannot be read ({reason}): export the model again") from None
    return ExportedFile(info, multiple, network, refiner, parameters, measured)


def threads_of(threads: int) -> int:
    """Return a number of threads: the given one, else that of OMP_NUM_THREADS, else 0, one for each core."""
    given = os.environ.get("OMP_NUM_THREADS", "")
    return threads or (int(given) if given.isdecimal() else 0)
