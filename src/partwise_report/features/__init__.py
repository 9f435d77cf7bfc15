"""Features of a frozen backbone, stored once: networks are then trained and measured on them without the backbone."""

from partwise_report.features.extract import LAYERS, FrozenVgg, require_layers, store_features
from partwise_report.features.store import FeatureStore, StoreDescription, required_bytes

__all__ = [
    "LAYERS",
    "FeatureStore",
    "FrozenVgg",
    "StoreDescription",
    "require_layers",
    "required_bytes",
    "store_features",
]
