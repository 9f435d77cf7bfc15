"""Ids and flags as tools write them into JSON: pandas writes 1.0 for 1, some write true for 1."""

from __future__ import annotations

from typing import Any

__all__ = ["FLAG_REMEDY", "flag", "identifier", "whole_number"]

FLAG_REMEDY = "write 0 or 1, or false or true"


def whole_number(value: Any) -> int | None:
    """Return a whole number, also of a float without a fraction; None for anything else.

    >>> whole_number(7), whole_number(7.0), whole_number(7.5), whole_number("7"), whole_number(True)
    (7, 7, None, None, None)
    """
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def identifier(value: Any) -> int | str | None:
    """Return an id, a whole number or a text; None for anything else.

    >>> identifier(7.0), identifier("a7"), identifier(None)
    (7, 'a7', None)
    """
    return value if isinstance(value, str) else whole_number(value)


def flag(value: Any, missing: bool = False) -> bool:
    """Return a flag.

    Args:
        value: 0, 1, false or true; None, or null in JSON, is as good as not given.
        missing: What it is then.

    Raises:
        ValueError: For anything else, such as the text "0".

    >>> flag(0), flag(1.0), flag(True), flag(None, missing=True)
    (False, True, True, True)
    """
    if value is None:
        return missing
    if isinstance(value, bool):
        return value
    number = whole_number(value)
    if number not in (0, 1):
        raise ValueError(f"is {str(value)[:40]!r}" if isinstance(value, str) else f"is {str(value)[:40]}")
    return number == 1
