"""Configurations: dataclasses that check their fields whenever they are made, and the types of such fields."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import field
from typing import Annotated, Any, TypeVar, dataclass_transform

from pydantic import ConfigDict, Field, ValidationError
from pydantic.dataclasses import dataclass as pydantic_dataclass

from partwise.errors import PartwiseError

__all__ = [
    "BelowOne",
    "Blocks",
    "Count",
    "CountOrZero",
    "MapCount",
    "NotNegative",
    "Positive",
    "Share",
    "configuration",
    "first_fault",
]

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1)]
BelowOne = Annotated[float, Field(ge=0, lt=1)]
Count = Annotated[int, Field(ge=1)]
CountOrZero = Annotated[int, Field(ge=0)]
Blocks = Annotated[int, Field(ge=0, le=5)]  # number of blocks of a backbone whose weights are frozen
MapCount = Annotated[int, Field(ge=2, le=254)]  # number of maps: 8 bits number them, and 255 is the ignored value

T = TypeVar("T")


@dataclass_transform(frozen_default=True, field_specifiers=(field, Field))
def configuration(cls: type[T]) -> type[T]:
    """Make a class a frozen dataclass that checks its fields against their types.

    It checks them in its constructor, and so also for `dataclasses.replace`, a file and the command line. The
    constructor raises PartwiseError if a field is unknown or out of its limits.

    Args:
        cls: A class with annotated fields.

    Returns:
        The dataclass.

    Example:
        >>> @configuration
        ... class Example:
        ...     share: Share = 0.5
        >>> Example(share=2)
        Traceback (most recent call last):
        streeteval.errors.InputError: Example.share=2: input should be less than or equal to 1
    """
    made: Any = pydantic_dataclass(frozen=True, config=ConfigDict(extra="forbid"))(cls)
    checked: Callable[..., None] = made.__init__

    @functools.wraps(checked)
    def init(self: Any, *args: Any, **kwargs: Any) -> None:
        try:
            checked(self, *args, **kwargs)
        except ValidationError as error:
            raise PartwiseError(first_fault(error, cls.__name__)) from None

    made.__init__ = init
    return made


def first_fault(error: ValidationError, prefix: str) -> str:
    """Describe the first fault in one line: the field, its value, and what it should be.

    Args:
        error: What pydantic raised.
        prefix: The dotted name of the configuration, such as "data.augment".
    """
    first = error.errors()[0]
    at = ".".join(str(part) for part in (prefix, *first["loc"]))
    message = first["msg"].removeprefix("Value error, ")
    return f"{at}={first['input']!r}: {message[0].lower()}{message[1:]}"
