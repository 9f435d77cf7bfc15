"""Check and convert the values that a caller gives. Each function raises InputError for a value that is not allowed.

In each function `what` names the value in the error.
"""

from __future__ import annotations

import reprlib
from numbers import Real
from typing import Any

import numpy as np

from streeteval.errors import InputError


def plain(value: Any) -> Any:
    """Return a tensor of torch as an array, from any device and with or without a gradient; anything else unchanged.

    Torch is not imported: a tensor is known by its methods.
    """
    if not (hasattr(value, "detach") and hasattr(value, "cpu")):
        return value
    value = value.detach().cpu()
    return (value.float() if str(value.dtype) == "torch.bfloat16" else value).numpy()


def number_in(what: str, value: Any, least: float, most: float) -> float:
    """Return `value` as a float.

    Raises:
        InputError: If it is not a number in least..most, both included.
    """
    is_number = isinstance(value, Real)
    if not is_number or not least <= value <= most:
        raise InputError(f"{what} {shown(value)}: give a number in {least:g}..{most:g}")
    return float(value)


def flag(what: str, value: Any) -> bool:
    """Return `value` as a bool. 1 and 0 count as True and False.

    Raises:
        InputError: If it is anything else, such as the text "no".
    """
    if not isinstance(value, Real | np.bool_) or value not in (0, 1):
        raise InputError(f"{what} {shown(value)}: give True or False")
    return bool(value)


def size_of(what: str, value: Any, least: int = 0) -> tuple[int, int]:
    """Return `value` as (H, W) in pixels.

    Raises:
        InputError: If it is not two whole numbers of at least `least`.

    Example:
        >>> size_of("size", np.array([4, 6]))
        (4, 6)
    """
    try:
        height, width = (int(side) for side in value)
        whole = [height, width] == list(value) and min(height, width) >= least
    except (TypeError, ValueError, OverflowError):
        whole = False
    if not whole:
        raise InputError(f"{what} {shown(value)}: give (height, width) in pixels, whole numbers from {least} up")
    return height, width


def whole_numbers(what: str, values: Any) -> np.ndarray:
    """Return `values` as an int32 array of the same shape. Floats are allowed if they are whole.

    Raises:
        InputError: If a value is not a whole number of 32 bits.

    Example:
        >>> whole_numbers("labels", [24.0, 26])
        array([24, 26], dtype=int32)
    """
    array = _numbers(what, values)
    if array.dtype == np.int32:
        return array
    with np.errstate(invalid="ignore"):
        converted = array.astype(np.int32)
    if not np.array_equal(converted, array):
        wrong = array[converted != array][0]
        raise InputError(f"{what}: {wrong} is no whole number of 32 bits: give whole numbers")
    return converted


def finite_numbers(what: str, values: Any) -> np.ndarray:
    """Return `values` as a float32 array of the same shape.

    Raises:
        InputError: If a value is not a number, NaN or infinite.
    """
    array = _numbers(what, values).astype(np.float32)
    if not np.isfinite(array).all():
        raise InputError(f"{what}: {array[~np.isfinite(array)][0]} is not finite: give finite numbers")
    return array


def shown(value: Any) -> str:
    """Format a value for an error: at most 60 letters on one line.

    Example:
        >>> shown(np.float64(0.25)), shown("2"), shown([1] * 1000)
        ('0.25', "'2'", '[1, 1, 1, 1, 1, 1, ...]')
    """
    is_float = isinstance(value, Real) and not isinstance(value, int)  # an int may be too large for a float
    text = " ".join((f"{value:g}" if is_float else reprlib.repr(value)).split())
    return text if len(text) <= 60 else f"{text[:57]}..."


def _numbers(what: str, values: Any) -> np.ndarray:
    try:
        array = np.asarray(plain(values))
    except (TypeError, ValueError, RuntimeError) as error:
        raise InputError(f"{what}: {error}: give numbers") from None
    if array.dtype.kind not in "buif":
        raise InputError(f"{what}: {shown(values)}: give numbers")
    return array
