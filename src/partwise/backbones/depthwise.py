"""Depthwise convolutions that are fast in training on a CPU.

Axes: B images, C channels, H and W pixels of the input, h and w pixels of the output, k taps along a side of a kernel.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F
from torch.nn.grad import conv2d_input, conv2d_weight

__all__ = ["DepthwiseConv2d", "keep_depthwise_in_float32", "weight_gradient_in_blocks"]

BLOCK = 3  # taps along a side of the kernels whose gradient oneDNN computes fast


class DepthwiseConv2d(nn.Conv2d):
    """A depthwise convolution that stays in fp32 under autocast on a CPU, and whose gradient is computed in blocks.

    On a CPU its speed is limited by memory and its backward pass in bf16 is slow, while the dense convolutions around
    it are faster in bf16. Measured with EfficientNet-Lite0 on two cores, for one training step of the backbone:
    compared with fp32 for all layers it takes .8 times as long on an AMD EPYC and 1.2 times on an Intel Xeon without
    AMX; compared with bf16 for all layers it takes .7 times as long on both (`partwise bench speed`, results/speed.json
    and speed_fourth.json). The gradient of the weights of a 5x5 kernel takes many times as long as the forward pass,
    see `weight_gradient_in_blocks`.

    Attributes:
        blocks: Whether the gradient of the weights is computed in blocks, where the kernel is larger than one.
    """

    blocks = True

    def forward(self, input: Tensor) -> Tensor:
        """Apply the convolution to (B, C, H, W) features, in fp32 on a CPU."""
        if input.device.type != "cpu":
            return super().forward(input)
        if not torch.is_autocast_enabled("cpu"):
            return self._on_cpu(input)
        with torch.autocast("cpu", enabled=False):
            return self._on_cpu(input.float())

    def _on_cpu(self, input: Tensor) -> Tensor:
        learns = torch.is_grad_enabled() and self.weight.requires_grad
        if not learns or not self.blocks or not self._fits_blocks():
            return super().forward(input)
        out: Tensor = _InBlocks.apply(input, self.weight, self.stride[0], self.padding[0])
        return out if self.bias is None else out + self.bias[:, None, None]

    def _fits_blocks(self) -> bool:
        """Whether the kernel is larger than a block, and the same along both axes in every respect."""
        same = all(pair[0] == pair[1] for pair in (self.kernel_size, self.stride, self.padding, self.dilation))
        plain = self.dilation == (1, 1) and self.padding_mode == "zeros" and self.out_channels == self.in_channels
        return same and plain and not isinstance(self.padding, str) and self.kernel_size[0] > BLOCK


def keep_depthwise_in_float32(module: nn.Module) -> None:
    """Turn every depthwise convolution of a network into a `DepthwiseConv2d`, in place; weights and names stay."""
    for child in module.modules():
        if type(child) is nn.Conv2d and child.groups > 1 and child.groups == child.in_channels:
            child.__class__ = DepthwiseConv2d  # the fields and parameters stay, only `forward` changes


class _InBlocks(torch.autograd.Function):
    """A depthwise convolution without bias, the gradient of whose weights is computed in blocks."""

    @staticmethod
    def forward(ctx: Any, input: Tensor, weight: Tensor, stride: int, padding: int) -> Tensor:
        ctx.save_for_backward(input, weight)
        ctx.stride, ctx.padding = stride, padding
        return F.conv2d(input, weight, None, stride, padding, groups=len(weight))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
        input, weight = ctx.saved_tensors
        of_input = of_weight = None
        if ctx.needs_input_grad[0]:
            of_input = conv2d_input(
                input.shape, weight, gradient, ctx.stride, ctx.padding, dilation=1, groups=len(weight)
            )
        if ctx.needs_input_grad[1]:
            of_weight = weight_gradient_in_blocks(input, gradient, weight.shape[-1], ctx.stride, ctx.padding)
        return of_input, of_weight, None, None


def weight_gradient_in_blocks(input_BCHW: Tensor, gradient_BChw: Tensor, k: int, stride: int, padding: int) -> Tensor:
    """Compute the gradient of the weights of a depthwise convolution, 3x3 taps at a time.

    oneDNN computes the gradient of a 3x3 depthwise kernel fast, and that of a larger one many times as slowly as the
    forward pass (`partwise bench speed` measures both ways). A block of taps of a larger kernel sees what a 3x3 kernel
    sees in the input that is cut accordingly.

    Args:
        input_BCHW: The input.
        gradient_BChw: The gradient of the output.
        k: Taps along a side of the kernel.
        stride: Of the convolution, along both axes.
        padding: Pixels of zeros around the input.

    Returns:
        (C, 1, k, k).
    """
    channels, height, width = input_BCHW.shape[1:]
    h, w = gradient_BChw.shape[2:]
    side = -(-k // BLOCK) * BLOCK  # the taps beyond the kernel are dropped in the end
    wide, high = stride * (w - 1) + BLOCK, stride * (h - 1) + BLOCK
    bottom = stride * (h - 1) + side - height - padding
    of_weight = input_BCHW.new_empty(channels, 1, side, side)
    for x in range(0, side, BLOCK):
        left = padding - x
        cut = F.pad(input_BCHW, (left, wide - width - left, padding, bottom))
        for y in range(0, side, BLOCK):
            of_weight[:, :, y : y + BLOCK, x : x + BLOCK] = conv2d_weight(
                cut[:, :, y : y + high], (channels, 1, BLOCK, BLOCK), gradient_BChw, stride, groups=channels
            )
    return of_weight[:, :, :k, :k]
