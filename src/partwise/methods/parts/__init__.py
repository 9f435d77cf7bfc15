"""The method of part maps, with windows of several sizes. The bundled model uses it."""

from typing import TYPE_CHECKING

from streeteval.lazy import lazy_names

if TYPE_CHECKING:
    from partwise.methods.parts.config import PartsConfig
    from partwise.methods.parts.decode_config import DecodeConfig
    from partwise.methods.parts.network import PartMaps
    from partwise.methods.parts.targets import NEGATIVE, POSITIVE, AssignConfig, assign_windows, coverage, right_grid
    from partwise.methods.parts.window_truth import SAME_SIZE_OCTAVES, centre_offsets, in_the_middle
    from partwise.methods.parts.windows import Window, assemble, part_weights

__all__ = [
    "NEGATIVE",
    "POSITIVE",
    "SAME_SIZE_OCTAVES",
    "AssignConfig",
    "DecodeConfig",
    "PartMaps",
    "PartsConfig",
    "Window",
    "assemble",
    "assign_windows",
    "centre_offsets",
    "coverage",
    "in_the_middle",
    "part_weights",
    "right_grid",
]

__getattr__ = lazy_names(
    __name__,
    {
        "AssignConfig": "partwise.methods.parts.targets",
        "DecodeConfig": "partwise.methods.parts.decode_config",
        "NEGATIVE": "partwise.methods.parts.targets",
        "POSITIVE": "partwise.methods.parts.targets",
        "PartMaps": "partwise.methods.parts.network",
        "PartsConfig": "partwise.methods.parts.config",
        "SAME_SIZE_OCTAVES": "partwise.methods.parts.window_truth",
        "Window": "partwise.methods.parts.windows",
        "assemble": "partwise.methods.parts.windows",
        "assign_windows": "partwise.methods.parts.targets",
        "centre_offsets": "partwise.methods.parts.window_truth",
        "coverage": "partwise.methods.parts.targets",
        "in_the_middle": "partwise.methods.parts.window_truth",
        "part_weights": "partwise.methods.parts.windows",
        "right_grid": "partwise.methods.parts.targets",
    },
)
