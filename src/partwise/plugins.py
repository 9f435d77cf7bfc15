"""Extensions: other packages add to partwise by entry points, without an edit in partwise.

A package writes into its pyproject.toml, for example::

    [project.entry-points."partwise.methods"]
    star_convex = "my_package.star_convex:StarConvex"

`GROUPS` names the groups and what an entry point of each group must be. partwise's own methods, recipes and so on are
plain dictionaries (`METHODS`, `RECIPES`, ...); `Plugins` joins both.
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
    "partwise.commands": "a function or a cyclopts.App: a command of the command line",
    "partwise.doctor": "a function (partwise.doctor.Subject) -> list of partwise.doctor.Finding",
}
"""Group of entry points -> what an entry point of this group must be."""


class Plugins(Mapping[str, T]):
    """A mapping of the objects of one group by name: partwise's own, then those of the installed packages.

    An object is loaded when it is first used. So a broken package causes an error only if its object is used.

    Args:
        group: A key of `GROUPS`.
        own: The objects of partwise itself. They take precedence over entry points of the same name.
        kind: What an object is called in an error, such as "method".

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
        """Return the object of a name.

        Args:
            name: The name that a user gave.
            where: The file that holds the name, for the error; "" for none.

        Raises:
            PartwiseError: If the name is unknown, or its package cannot be loaded.
        """
        if name not in self:
            raise unknown_name(self.kind, name, self, where)
        return self[name]


@cache
def _announced(group: str) -> dict[str, EntryPoint]:
    """Return the entry points of all installed packages by name.

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
    """Forget which packages are installed. Call it if a running program installs a package or changes sys.path."""
    _announced.cache_clear()
