"""ONNX files of partwise, and the sessions of ONNX Runtime that run their networks."""

from __future__ import annotations

import os
import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from partwise.errors import PartwiseError, PartwiseWarning
from partwise.runtime.exported import ExportedFile, Run, exported_file, require_format, threads_of

__all__ = ["open_onnx", "open_session", "provider_of", "runner"]

CPU, CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"
_CUDA_NUMBER = re.compile(r"cuda:([0-9]+)")


def provider_of(device: str) -> str:
    """Return the provider of ONNX Runtime for a device.

    Args:
        device: "auto" for a GPU if there is one, "cpu", "cuda", "cuda:1", or the name of a provider.

    Raises:
        PartwiseError: If the installed ONNX Runtime does not have the provider.
    """
    import onnxruntime

    there = onnxruntime.get_available_providers()
    if device == "auto":
        return CUDA if CUDA in there else CPU
    provider = CUDA if _CUDA_NUMBER.fullmatch(device) else {"cpu": CPU, "cuda": CUDA}.get(device, device)
    if provider not in there:
        raise PartwiseError(
            f"device {device!r}: the installed ONNX Runtime has no provider {provider}: give cpu, auto, "
            f"or one of {', '.join(there)}; for a GPU install onnxruntime-gpu"
        )
    return provider


def open_onnx(path: str | os.PathLike, device: str = "auto", threads: int = 0) -> ExportedFile:
    """Open an ONNX file that partwise wrote.

    If "auto" chooses a GPU and ONNX Runtime cannot use it, there is a `PartwiseWarning`, and the CPU is used.

    Args:
        path: The file.
        device: See `provider_of`.
        threads: Number of threads; 0 for what OMP_NUM_THREADS says, or else one for each core.

    Raises:
        PartwiseError: If the file is missing, damaged, not a file of partwise or of another version of its format, or
            the provider is missing or cannot be used.
    """
    wanted = provider_of(device)
    try:
        network = _session_somewhere(Path(path).read_bytes(), device, threads)
        metadata = network.get_modelmeta().custom_metadata_map
    except OSError as error:
        raise PartwiseError(f"{path}: {(error.strerror or str(error)).lower()}: give an ONNX file") from None
    except Exception as error:  # ONNX Runtime has an exception for each kind of damage, with no common base class
        raise PartwiseError(
            f"{path}: not an ONNX file, or a damaged one ({type(error).__name__}): export it again"
        ) from None
    if network.get_providers()[0] != wanted:
        why = f"ONNX Runtime cannot use {wanted}: its libraries or its device are missing, or of another version"
        if device != "auto":
            raise PartwiseError(f"device {device!r}: {why}: install what it needs, or give cpu")
        warnings.warn(f"{why}; the CPU is used: install what it needs", PartwiseWarning, stacklevel=2)
        device = CPU
    require_format(path, metadata, "an ONNX file")
    refiner = lambda content: runner(open_session(content, device, threads))
    return exported_file(path, metadata, runner(network), refiner)


def _session_somewhere(content: bytes, device: str, threads: int) -> Any:
    """Make a session on a device, or on the CPU if the device cannot be used."""
    try:
        return open_session(content, device, threads)
    except Exception:  # ONNX Runtime raises some faults of a device, and falls back to the CPU at others
        if provider_of(device) == CPU:
            raise
        return open_session(content, CPU, threads)


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


def open_session(content: bytes, device: str, threads: int = 0) -> Any:
    """Make a session of an ONNX model; for `device` and `threads` see `open_onnx`.

    ONNX Runtime takes the CPU without a word if the libraries of a GPU do not load: compare `get_providers()[0]`.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = threads_of(threads)
    provider: Any = provider_of(device)
    if provider == CUDA:
        numbered = _CUDA_NUMBER.fullmatch(device)
        # By default all algorithms of a convolution are timed whenever a photo has a size that is new.
        of_cuda = {"device_id": int(numbered[1]) if numbered else 0, "cudnn_conv_algo_search": "HEURISTIC"}
        provider = (CUDA, of_cuda)
    return onnxruntime.InferenceSession(content, options, providers=[provider])
