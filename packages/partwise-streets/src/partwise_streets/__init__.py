"""The weights of partwise's default model as a file. The LICENSE of this package holds their terms of use."""

from pathlib import Path

__all__ = ["weights"]


def weights() -> Path:
    """Return the path of the model file "streets". `partwise.load()` finds it by the entry point of this package."""
    return Path(__file__).parent / "streets.safetensors"
