"""The device that a network runs on."""

from __future__ import annotations

from partwise.errors import PartwiseError

__all__ = ["find_device"]


def find_device(name: str) -> str:
    """Return a device as torch names it, such as "cpu" or "cuda:1".

    Args:
        name: A name of torch's, or "auto" for a GPU where there is one.

    Raises:
        PartwiseError: If the device is not here.
    """
    import torch

    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if name == "auto":
        return "cuda" if gpus else "cpu"
    try:
        device = torch.device(name)
    except (RuntimeError, TypeError):
        raise PartwiseError(f"device {name!r}: give cpu, cuda, cuda:1 or auto") from None
    if device.type == "cuda" and (device.index or 0) >= gpus:
        raise PartwiseError(f"device {name!r}: torch sees {gpus or 'no'} GPU here: give cpu or auto")
    if device.type not in ("cpu", "cuda", "mps") or (device.type == "mps" and not torch.backends.mps.is_available()):
        raise PartwiseError(f"device {name!r} cannot be used here: give cpu, cuda or auto")
    return str(device)
