"""Read JSON that other tools wrote."""

from __future__ import annotations

import json
import os
from typing import Any

from partwise.data.image_files import read_bytes
from partwise.errors import PartwiseError

__all__ = ["read_json"]


def read_json(file: str | os.PathLike) -> Any:
    """Read a JSON file.

    Args:
        file: Its path.

    Returns:
        Its content.

    Raises:
        PartwiseError: If it is missing, or no JSON, or nested too deeply.
    """
    try:
        return json.loads(read_bytes(file))
    except (ValueError, RecursionError) as error:  # ValueError: also bytes that are no text
        raise PartwiseError(f"{os.fspath(file)}: not JSON ({error}): export or copy it again") from None
