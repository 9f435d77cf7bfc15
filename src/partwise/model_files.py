"""Find the file of a model: by the name of an installed model, as a file, or in the folder of a run."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path

from partwise.errors import PartwiseError
from partwise.plugins import Plugins
from streeteval.files import expanded
from streeteval.given import shown

__all__ = ["DEFAULT_MODEL", "MODELS", "WITHOUT_TORCH", "default_model", "find_model", "model_name", "start_files"]

# Name -> function that returns the file. Models are packages of their own: partwise-streets, partwise-streets-free.
MODELS: Mapping[str, Callable[[], Path]] = Plugins("partwise.models", {}, "model")
DEFAULT_MODEL = "streets"
WITHOUT_TORCH = "streets-int8"  # the same network in int8, for ONNX Runtime


def default_model() -> str:
    """Return the name of the model that is taken where none is given.

    It is `DEFAULT_MODEL`, or `WITHOUT_TORCH` where ONNX Runtime is installed and PyTorch is not.
    """
    return WITHOUT_TORCH if find_spec("torch") is None and find_spec("onnxruntime") is not None else DEFAULT_MODEL


def model_name(name_or_file: str | None) -> str:
    """Return the name under which a model is shown; None stands for the default model."""
    return Path(name_or_file).stem if name_or_file else default_model()


def start_files(weights: Sequence[str]) -> list[str]:
    """Replace the names of installed models by their files. Everything else stays as it is."""
    return [str(MODELS[given]()) if given in MODELS else given for given in weights]


def find_model(name_or_file: str | os.PathLike | None = None) -> Path:
    """Find the file of a model.

    Args:
        name_or_file: The name of an installed model, a model file, or a run folder (its best weights, or else its last
            weights); None for the default model, see `default_model`.

    Raises:
        PartwiseError: If there is no such model.
    """
    give = f"give a .safetensors, .onnx or .xml file, a run folder, or {', '.join(MODELS) or DEFAULT_MODEL}"
    if not isinstance(name_or_file, str | os.PathLike | None):
        raise PartwiseError(f"model {shown(name_or_file)}: {give}")
    name = default_model() if name_or_file is None else os.fspath(name_or_file)
    if name in MODELS:
        return MODELS[name]()
    if name in (DEFAULT_MODEL, WITHOUT_TORCH) and not Path(name).exists():
        raise PartwiseError(
            f"the model {name!r} is not installed: in the repository pip install ./packages/partwise-streets "
            f"(its terms: non-commercial use), or give {', '.join([*MODELS, 'a model file or a run folder'])}"
        )
    path = expanded(name)
    try:
        of_run = [path / "best.safetensors", path / "last.safetensors"] if path.is_dir() else []
        found = next((file for file in of_run or [path] if file.is_file()), None)
    except OSError as error:  # a name that is too long, a folder without permission
        raise PartwiseError(f"{path}: {(error.strerror or str(error)).lower()}: {give}") from None
    if found is None and of_run:
        raise PartwiseError(
            f"{path}: a folder without best.safetensors or last.safetensors: give a run folder or a .safetensors file"
        )
    if found is None:
        raise PartwiseError(f"{path}: no such model: {give}")
    return found
