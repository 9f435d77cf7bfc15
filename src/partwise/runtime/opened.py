"""Open an exported file of any form."""

from __future__ import annotations

import os

from partwise.runtime.exported import ExportedFile
from partwise.runtime.onnx_file import open_onnx
from partwise.runtime.openvino_file import is_openvino, open_openvino

__all__ = ["open_exported"]


def open_exported(path: str | os.PathLike, device: str = "auto", threads: int = 0) -> ExportedFile:
    """Open an exported file, see `open_onnx` and `open_openvino`."""
    return (open_openvino if is_openvino(path) else open_onnx)(path, device, threads)
