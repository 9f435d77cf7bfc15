"""Methods of telling instances apart: one file or folder each. `build_method` makes one from its configuration."""

from partwise.labels import CITYSCAPES, LabelSet
from partwise.methods.centres import Centres, CentresConfig
from partwise.methods.fcn import Fcn, FcnConfig
from partwise.methods.instance_fcn import InstanceFcn, InstanceFcnConfig
from partwise.methods.mask_rcnn import MaskRcnn, MaskRcnnConfig
from partwise.methods.method import Method
from partwise.methods.ordering import Ordering, OrderingConfig, Orders, OrdersConfig
from partwise.methods.parts import PartMaps, PartsConfig
from partwise.methods.slips import Slips

MethodConfig = (
    FcnConfig | PartsConfig | OrderingConfig | InstanceFcnConfig | MaskRcnnConfig | CentresConfig | OrdersConfig
)
METHODS: dict[str, tuple[type, type]] = {
    "fcn": (FcnConfig, Fcn),
    "parts": (PartsConfig, PartMaps),
    "ordering": (OrderingConfig, Ordering),
    "instance_fcn": (InstanceFcnConfig, InstanceFcn),
    "mask_rcnn": (MaskRcnnConfig, MaskRcnn),
    "centres": (CentresConfig, Centres),
    "orders": (OrdersConfig, Orders),
}

__all__ = [
    "METHODS",
    "Centres",
    "CentresConfig",
    "Fcn",
    "FcnConfig",
    "InstanceFcn",
    "InstanceFcnConfig",
    "MaskRcnn",
    "MaskRcnnConfig",
    "Method",
    "MethodConfig",
    "Ordering",
    "OrderingConfig",
    "Orders",
    "OrdersConfig",
    "PartMaps",
    "PartsConfig",
    "Slips",
    "build_method",
]


def build_method(config: MethodConfig, label_set: LabelSet = CITYSCAPES) -> Method:
    """The method that a configuration describes, with random weights."""
    for config_type, method_type in METHODS.values():
        if isinstance(config, config_type):
            return method_type(config, label_set)
    raise TypeError(f"{type(config).__name__} is no configuration of a method")


def method_name(config: MethodConfig) -> str:
    """The name of a configuration's method in METHODS."""
    return next(name for name, (config_type, _) in METHODS.items() if isinstance(config, config_type))
