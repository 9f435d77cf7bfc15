"""Features of a frozen backbone, stored once: networks are then trained and measured on them without the backbone."""

from partwise_report.features.extract import CHANGES, LAYERS, FrozenVgg, require_layers, store_features
from partwise_report.features.frames import Area, GivenMaps, LearntFifthBlock, StoredFrames, layers_of
from partwise_report.features.store import FeatureStore, StoreDescription, required_bytes

__all__ = [
    "CHANGES",
    "LAYERS",
    "Area",
    "FeatureStore",
    "FrozenVgg",
    "GivenMaps",
    "LearntFifthBlock",
    "StoreDescription",
    "StoredFrames",
    "layers_of",
    "require_layers",
    "required_bytes",
    "store_features",
]
