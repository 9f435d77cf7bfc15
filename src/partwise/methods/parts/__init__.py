"""The method of part maps, with windows of several sizes. The bundled model uses it."""

from partwise.methods.parts.config import PartsConfig
from partwise.methods.parts.decode_config import DecodeConfig
from partwise.methods.parts.explain import Explanation as PartsExplanation
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
    "PartsExplanation",
    "Window",
    "assemble",
    "assign_windows",
    "centre_offsets",
    "coverage",
    "in_the_middle",
    "part_weights",
    "right_grid",
]
