"""Label sets that are shipped, as label files."""

from functools import cache
from pathlib import Path

from partwise.label_file import read_label_file
from streeteval.labels import LabelSet

__all__ = ["shipped_label_set"]


@cache
def shipped_label_set(name: str) -> LabelSet:
    """The label set in the file of this name beside this one.

    >>> [label.name for label in shipped_label_set("bdd100k").things[:3]]
    ['pedestrian', 'rider', 'car']
    """
    return read_label_file(Path(__file__).with_name(f"{name}.toml"))
