"""Extensions: other packages add objects by entry points, without an edit here.

A package writes into its pyproject.toml, for example::

    [project.entry-points."streeteval.metrics"]
    counts = "my_package.counts:CountError"

Own objects are plain dictionaries; `Plugins` joins both.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any, TypeVar

from streeteval.errors import InputError, unknown_name

__all__ = ["Plugins", "forget"]

T = TypeVar("T")


class Plugins(Mapping[str, T]):
    """A mapping of the objects of one group by name: the own ones, then those of the installed packages.

    An object is loaded when it is first used. So a broken package causes an error only if its object is used.

    Args:
        group: The group of entry points.
        own: Own objects. They take precedence over entry points of the same name.
        kind: What an object is called in an error, such as "metric".
        also: Another group whose entry points count as well.

    Example:
        >>> plugins = Plugins("streeteval.metrics", {"one": 1}, "method")
        >>> plugins["one"], "two" in plugins
        (1, False)
    """

    def __init__(self, group: str, own: Mapping[str, T], kind: str, also: str = ""):
        self.groups, self.own, self.kind = tuple(name for name in (group, also) if name), own, kind

    def __getitem__(self, name: str) -> T:
        if name in self.own:
            return self.own[name]
        return _load(_announced(self.groups)[name])

    def __iter__(self) -> Iterator[str]:
        yield from self.own
        yield from (name for name in _announced(self.groups) if name not in self.own)

    def __len__(self) -> int:
        return len(list(iter(self)))

    def __contains__(self, name: object) -> bool:
        return name in self.own or name in _announced(self.groups)

    def find(self, name: str, where: str = "") -> T:
        """Return the object of a name.

        Args:
            name: The name that a user gave.
            where: The file that holds the name, for the error; "" for none.

        Raises:
            InputError: If the name is unknown, or its package cannot be loaded.
        """
        if name not in self:
            raise unknown_name(self.kind, name, self, where)
        return self[name]


@cache
def _announced(groups: tuple[str, ...]) -> dict[str, EntryPoint]:
    """Return the entry points of all installed packages in these groups by name.

    Raises:
        InputError: If two packages announce one name.
    """
    found: dict[str, EntryPoint] = {}
    for point in (point for group in groups for point in entry_points(group=group)):
        if point.name in found and found[point.name].value != point.value:
            packages = " and ".join(sorted(_package(one) for one in (found[point.name], point)))
            raise InputError(f"{packages} both add {point.name!r} to {point.group}: uninstall one of them")
        found[point.name] = point
    return found


@cache
def _load(point: EntryPoint) -> Any:
    try:
        return point.load()
    except (ImportError, AttributeError) as error:
        raise InputError(
            f"{point.name!r} of {_package(point)} cannot be loaded ({error}): install that package again, or remove it"
        ) from None


def _package(point: EntryPoint) -> str:
    return f"package {point.dist.name}" if point.dist else point.value


def forget() -> None:
    """Forget which packages are installed. Call it if a running program installs a package or changes sys.path."""
    _announced.cache_clear()
