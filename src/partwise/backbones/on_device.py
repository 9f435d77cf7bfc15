"""Put a network on its device, in the form in which it is fastest there."""

from __future__ import annotations

import functools
from typing import TypeVar

import torch
from torch import nn
from torch.nn import functional as F

from partwise.machine import share_of_time

__all__ = ["on_device", "onednn_over_default", "with_pointwise_in_onednn"]

Network = TypeVar("Network", bound=nn.Module)

WORTH = 0.8  # oneDNN must take less than this share of the time of PyTorch's own choice
CHANNELS, CELLS = 64, (80, 160)  # size of the convolution that is timed, a common size in a pyramid
REPEATS = 5


def on_device(network: Network, device: torch.device | str) -> Network:
    """Move a network to a device, in the memory format and with the convolutions that are fastest there.

    Args:
        network: The network; it is changed in place, but not its function.
        device: The device.

    Returns:
        The same network.
    """
    network.to(device).to(memory_format=torch.channels_last)
    on_one_thread = torch.device(device).type == "cpu" and torch.get_num_threads() == 1
    if on_one_thread and onednn_over_default() < WORTH:
        with_pointwise_in_onednn(network)
    return network


def with_pointwise_in_onednn(network: Network, onednn: bool = True) -> Network:
    """Let oneDNN compute the 1x1 convolutions of a network also on one thread of a CPU.

    On one thread PyTorch passes 1x1 convolutions without stride or dilation to the matrix product of MKL
    (`use_mkldnn` in aten/src/ATen/native/Convolution.cpp), which is slow on AMD processors. A kernel of one tap has no
    neighbours that a dilation could move apart. So a dilation changes nothing but PyTorch's choice.

    Args:
        network: The network; it is changed in place, but not its function.
        onednn: False to leave the choice to PyTorch again.

    Returns:
        The same network.
    """
    dilation = (2, 2) if onednn else (1, 1)
    for module in network.modules():
        if isinstance(module, nn.Conv2d) and module.kernel_size == (1, 1) and module.groups == 1:
            module.dilation = dilation
    return network


@functools.cache
def onednn_over_default() -> float:
    """Time a 1x1 convolution on this thread of the CPU, by oneDNN and by PyTorch's own choice.

    Returns:
        The time by oneDNN as a share of the time by PyTorch's own choice; 1 without oneDNN.
    """
    if not torch.backends.mkldnn.is_available():
        return 1.0
    image = torch.zeros(1, CHANNELS, *CELLS).contiguous(memory_format=torch.channels_last)
    kernel = torch.zeros(CHANNELS, CHANNELS, 1, 1).contiguous(memory_format=torch.channels_last)
    run = lambda dilation: F.conv2d(image, kernel, dilation=dilation)
    with torch.inference_mode():
        return share_of_time(lambda: run(2), lambda: run(1), REPEATS)
