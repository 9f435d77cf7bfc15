"""Weights that were trained on rendered streets alone, as a file. NOTICE says what they were made from."""

from pathlib import Path

__all__ = ["weights"]


def weights() -> Path:
    """Return the path of the model file "streets-free". `partwise.load("streets-free")` finds it by the entry point."""
    return Path(__file__).parent / "streets-free.safetensors"
