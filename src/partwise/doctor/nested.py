"""Batches, outputs and targets of any form: tensors in tuples, lists and dictionaries."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

__all__ = ["detached", "moved"]


def moved(value: Any, device: torch.device) -> Any:
    """Return a value with all its tensors on a device; what is no tensor, list, tuple or dictionary stays as it is."""
    if isinstance(value, Tensor):
        return value.to(device)
    if isinstance(value, Mapping):
        return {key: moved(item, device) for key, item in value.items()}
    if isinstance(value, tuple | list):
        items = [moved(item, device) for item in value]
        return type(value)(*items) if hasattr(value, "_fields") else type(value)(items)  # a named tuple has fields
    return value


def detached(value: Any) -> Any:
    """Return outputs without their graph."""
    if isinstance(value, Tensor):
        return value.detach()
    if isinstance(value, Mapping):
        return {key: detached(item) for key, item in value.items()}
    return [detached(item) for item in value] if isinstance(value, tuple | list) else value
