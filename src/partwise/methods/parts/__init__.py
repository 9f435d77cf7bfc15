"""Part maps whose windows scale with the object: the method that ships."""

from partwise.methods.parts.network import PartMaps, PartsConfig

__all__ = ["PartMaps", "PartsConfig"]
