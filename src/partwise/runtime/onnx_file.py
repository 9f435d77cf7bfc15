"""ONNX files of partwise, and the sessions of ONNX Runtime that run their networks."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from partwise.errors import PartwiseError
from partwise.runtime.exported import ExportedFile, Run, exported_file, has_ending, require_format, threads_of

__all__ = ["is_onnx", "open_onnx", "open_session", "provider_of", "runner"]


def is_onnx(path: str | os.PathLike) -> bool:
    """Whether a file has the ending of an ONNX file."""
    return has_ending(path, ".onnx")


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


def open_onnx(path: str | os.PathLike, device: str = "auto", threads: int = 0) -> ExportedFile:
    """Open an ONNX file that partwise wrote.

    Args:
        path: The file.
        device: See `provider_of`.
        threads: Number of threads; 0 for what OMP_NUM_THREADS says, or else one for each core.

    Raises:
        PartwiseError: If the file is missing, damaged, not a file of partwise or of another version of its format, or
            the provider is missing.
    """
    provider = provider_of(device)
    try:
        network = open_session(Path(path).read_bytes(), provider, threads)
        metadata = network.get_modelmeta().custom_metadata_map
    except OSError as error:
        raise PartwiseError(f"{path}: {(error.strerror or str(error)).lower()}: give an ONNX file") from None
    except Exception as error:  # ONNX Runtime has an exception for each kind of damage, with no common base class
        raise PartwiseError(
            f"{path}: not an ONNX file, or a damaged one ({type(error).__name__}): export it again"
        ) from None
    require_format(path, metadata, "an ONNX file")
    refiner = lambda content: runner(open_session(content, provider, threads))
    return exported_file(path, metadata, runner(network), refiner)


def runner(session: Any) -> Run:
    """Make a function that runs a session with one input.

    It raises MemoryError if the memory does not suffice.
    """
    name = session.get_inputs()[0].name

    def run(values: np.ndarray) -> list[np.ndarray]:
        try:
            return session.run(None, {name: values})
        except Exception as error:
            if any(word in str(error).lower() for word in ("alloc", "out of memory")):
                raise MemoryError(f"ONNX Runtime: input of shape {values.shape}") from None
            raise

    return run


def open_session(content: bytes, provider: str, threads: int = 0) -> Any:
    """Make a session of an ONNX model; for `threads` see `open_onnx`."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = threads_of(threads)
    return onnxruntime.InferenceSession(content, options, providers=[provider])
