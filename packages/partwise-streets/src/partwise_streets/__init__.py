"""The weights of partwise's bundled models as files. The LICENSE of this package holds their terms of use."""

from pathlib import Path

__all__ = ["int8_model", "robust_weights", "weights"]


def weights() -> Path:
    """Return the path of the model file "streets". `partwise.load()` finds it by the entry point of this package."""
    return Path(__file__).parent / "streets.safetensors"


def robust_weights() -> Path:
    """Return the path of the model file "streets-robust", the model before "streets"."""
    return Path(__file__).parent / "streets-robust.safetensors"


def int8_model() -> Path:
    """Return the path of the model file "streets-int8": "streets" in int8, for ONNX Runtime."""
    return Path(__file__).parent / "streets-int8.onnx"
