"""Sizes of training crops that a network takes without padding."""

from __future__ import annotations

import math

from partwise.errors import PartwiseError

__all__ = ["check_crop", "fitting_crop"]


def check_crop(crop: tuple[int, int], multiple: int) -> None:
    """Check that the backbone can take crops of this size without padding.

    Args:
        crop: (H, W) of the training crops in pixels.
        multiple: The number of pixels that the sides must be a multiple of, see `Method.size_multiple`.

    Raises:
        PartwiseError: If it cannot; the error names a size that fits.
    """
    if any(side % multiple for side in crop):
        near = [max(multiple, round(side / multiple) * multiple) for side in crop]
        raise PartwiseError(
            f"data.augment.crop={list(crop)}: the backbone needs multiples of {multiple} px: "
            f"give data.augment.crop={str(near).replace(' ', '')}"
        )


def fitting_crop(crop: tuple[int, int], multiple: int) -> tuple[int, int]:
    """Enlarge a crop, if need be, to a size that `check_crop` accepts.

    >>> fitting_crop((416, 448), 64)
    (448, 448)
    """
    height, width = (math.ceil(side / multiple) * multiple for side in crop)
    return height, width
