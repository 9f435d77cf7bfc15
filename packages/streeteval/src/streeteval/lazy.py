"""Public names that are imported when they are first used: torch takes seconds, and not everything needs it."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import Any

__all__ = ["lazy_names"]


def lazy_names(package: str, names: Mapping[str, str]) -> Callable[[str], Any]:
    """Make the `__getattr__` of a package whose public names lie in modules that are not imported with it.

    Args:
        package: The `__name__` of the package.
        names: Public name -> the module that defines it.

    Returns:
        A function that imports a name when it is first used.
    """

    def get(name: str) -> Any:
        if name not in names:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(importlib.import_module(names[name]), name)

    return get
