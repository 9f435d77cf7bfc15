"""What other packages add to partwise: each announces it as an entry point, and no file here needs an edit.

A package writes into its pyproject.toml, for example::

    [project.entry-points."partwise.methods"]
    star_convex = "my_package.star_convex:StarConvex"

`GROUPS` names the groups and what an entry point of each has to be. What partwise has itself stands in a plain
dictionary beside each kind (`METHODS`, `RECIPES`, ...); `find` and `names` look into both.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any, TypeVar

from partwise.errors import PartwiseError, unknown_name

__all__ = ["GROUPS", "Plugins", "forget"]

T = TypeVar("T")
GROUPS = {
    "partwise.methods": "a subclass of partwise.methods.Method with its configuration class as `Config`",
    "partwise.backbones": "a function (frozen_blocks=, finest_px=, holes=) -> partwise.backbones.Backbone",
    "partwise.models": "a function () -> pathlib.Path of a model file",
    "partwise.recipes": "a function () -> partwise.training.Recipe",
    "partwise.pipelines": "a dictionary: name of a recipe -> its share of the length, in the order of the stages",
    "partwise.datasets": "a class that follows partwise.data.DatasetFormat",
    "partwise.label_sets": "a partwise.LabelSet",
    "partwise.metrics": "a class that follows partwise.evaluation.Metric",
    "partwise.commands": "a function or a cyclopts.App: a verb of the command line",
    "partwise.doctor": "a function (partwise.doctor.Subject) -> list of partwise.doctor.Finding",
}


class Plugins(Mapping[str, T]):
    """The things of one group by name: partwise's own, then those of the installed packages.

    A mapping whose values are loaded when they are asked for, so that a broken package stops only who asks for it.

    Args:
        group: A key of `GROUPS`.
        own: What partwise itself has. An entry point may not take one of these names.
        kind: What one of them is called in an error, such as "method".

    Example:
        >>> plugins = Plugins("partwise.methods", {"one": 1}, "method")
        >>> plugins["one"], "two" in plugins
        (1, False)
    """

    def __init__(self, group: str, own: Mapping[str, T], kind: str):
        assert group in GROUPS, group
        self.group, self.own, self.kind = group, own, kind

    def __getitem__(self, name: str) -> T:
        if name in self.own:
            return self.own[name]
        return _load(_announced(self.group)[name])

    def __iter__(self) -> Iterator[str]:
        yield from self.own
        yield from (name for name in _announced(self.group) if name not in self.own)

    def __len__(self) -> int:
        return len(list(iter(self)))

    def __contains__(self, name: object) -> bool:
        return name in self.own or name in _announced(self.group)

    def find(self, name: str, where: str = "") -> T:
        """The thing of this name.

        Args:
            name: As a user gave it.
            where: The file that holds the name, for the error.

        Raises:
            PartwiseError: If there is none, with the nearest known name, or if its package cannot be loaded.
        """
        if name not in self:
            raise unknown_name(self.kind, name, self, where)
        return self[name]


@cache
def _announced(group: str) -> dict[str, EntryPoint]:
    """Name -> entry point of every installed package.

    Raises:
        PartwiseError: If two packages announce one name.
    """
    found: dict[str, EntryPoint] = {}
    for point in entry_points(group=group):
        if point.name in found and found[point.name].value != point.value:
            packages = " and ".join(sorted(_package(one) for one in (found[point.name], point)))
            raise PartwiseError(f"{packages} both add {point.name!r} to {group}: uninstall one of them")
        found[point.name] = point
    return found


@cache
def _load(point: EntryPoint) -> Any:
    try:
        return point.load()
    except (ImportError, AttributeError) as error:
        raise PartwiseError(
            f"{point.name!r} of {_package(point)} cannot be loaded ({error}): install that package again, or remove it"
        ) from None


def _package(point: EntryPoint) -> str:
    return f"package {point.dist.name}" if point.dist else point.value


def forget() -> None:
    """Look for packages again: for who installs one, or changes the path, while the program runs."""
    _announced.cache_clear()
