"""The methods by name, and how one is made from its configuration."""

from collections.abc import Mapping

from partwise.methods.centres import Centres
from partwise.methods.fcn import Fcn
from partwise.methods.mask_rcnn import MaskRcnn
from partwise.methods.method import Method, MethodConfig
from partwise.methods.parts import PartMaps
from partwise.plugins import Plugins
from streeteval.labels import CITYSCAPES, LabelSet

__all__ = ["METHODS", "build_method", "method_name"]

METHODS: Mapping[str, type[Method]] = Plugins(
    "partwise.methods",
    {"fcn": Fcn, "parts": PartMaps, "mask_rcnn": MaskRcnn, "centres": Centres},
    "method",
)


def build_method(config: MethodConfig, label_set: LabelSet = CITYSCAPES) -> Method:
    """Build the method that a configuration describes, with random weights.

    Args:
        config: The configuration; its type decides which method is built.
        label_set: The classes that the method tells apart.

    Raises:
        TypeError: If no method has configurations of this type.
        PartwiseError: If fields of the configuration do not fit each other, or the backbone is unknown.
    """
    return METHODS[method_name(config)](config, label_set)


def method_name(config: MethodConfig) -> str:
    """Return the name under which the method of a configuration is listed in METHODS.

    Raises:
        TypeError: If no method has configurations of this type.
    """
    for name in METHODS:
        if METHODS[name].Config is type(config):
            return name
    raise TypeError(f"{type(config).__name__} is not the configuration of a method")
