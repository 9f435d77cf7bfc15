"""The weights of partwise's default model, as a file; see the LICENSE of this package for their terms."""

from pathlib import Path

__all__ = ["weights"]


def weights() -> Path:
    """The model file "streets", which `partwise.load()` finds by its entry point."""
    return Path(__file__).parent / "streets.safetensors"
