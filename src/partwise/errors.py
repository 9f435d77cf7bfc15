"""The errors of partwise: those of bad input, which the evaluator raises as well, and its own."""

from __future__ import annotations

from streeteval.errors import InputError as PartwiseError
from streeteval.errors import InputWarning as PartwiseWarning

__all__ = [
    "EXTRAS",
    "ForeignFileError",
    "PartwiseError",
    "PartwiseWarning",
    "missing_extra",
]

# Module -> the extra of partwise that installs it.
EXTRAS = {
    "torch": "torch",
    "torchvision": "torch",
    "timm": "torch",
    "onnxruntime": "onnx",
    "onnx": "export",
    "openvino": "openvino",
    "accelerate": "train",
    "jinja2": "report",
    "matplotlib": "report",
    "hotcoco": "eval",
    "supervision": "supervision",
    "av": "video",
    "trackers": "video",
    "pyarrow": "parquet",
    "ray": "ray",
    "starlette": "serve",
    "uvicorn": "serve",
    "python_multipart": "serve",
    "tensorboard": "tensorboard",
    "cityscapesscripts": "bench",
    "trackeval": "bench",
    "pillow_heif": "heic",
}


def missing_extra(error: ModuleNotFoundError) -> PartwiseError | None:
    """Make the error to show for a library that is not installed.

    Args:
        error: What the import raised.

    Returns:
        An error that says what to install, or None if no extra installs the module.

    Example:
        >>> print(missing_extra(ModuleNotFoundError(name="matplotlib.figure")))
        matplotlib is not installed: pip install 'partwise[report]'
    """
    module = (error.name or "").split(".")[0]
    if module not in EXTRAS:
        return None
    return PartwiseError(f"{module} is not installed: pip install 'partwise[{EXTRAS[module]}]'")


class ForeignFileError(PartwiseError):
    """A file that partwise did not write lies where one is to be written. Nothing was changed."""
