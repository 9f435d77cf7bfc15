"""Depthwise convolutions: their gradient in blocks is that of PyTorch, for any size, stride and padding."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from partwise.backbones.depthwise import DepthwiseConv2d, keep_depthwise_in_float32, weight_gradient_in_blocks


def pair(**how) -> tuple[nn.Conv2d, DepthwiseConv2d]:
    """A convolution of PyTorch, and ours with the same weights."""
    torch.manual_seed(0)
    plain = nn.Conv2d(8, 8, groups=8, **how)
    own = DepthwiseConv2d(8, 8, groups=8, **how)
    own.load_state_dict(plain.state_dict())
    return plain, own


def gradients(layer: nn.Conv2d, image: torch.Tensor) -> list[torch.Tensor]:
    image = image.clone().requires_grad_()
    out = layer(image)
    (out * torch.linspace(-1, 1, out.numel()).reshape(out.shape)).sum().backward()
    return [out.detach(), image.grad, *(parameter.grad for parameter in layer.parameters())]


@settings(max_examples=60, deadline=None)
@given(
    k=st.sampled_from([3, 5, 7]),
    stride=st.integers(1, 3),
    padding=st.integers(0, 4),
    size=st.tuples(st.integers(7, 23), st.integers(7, 23)),
    batch=st.integers(1, 3),
    bias=st.booleans(),
)
def test_output_and_gradients_are_those_of_pytorch(k, stride, padding, size, batch, bias):
    plain, own = pair(kernel_size=k, stride=stride, padding=padding, bias=bias)
    image = torch.randn(batch, 8, *size, generator=torch.Generator().manual_seed(1))
    for memory_format in (torch.contiguous_format, torch.channels_last):
        given_image = image.contiguous(memory_format=memory_format)
        for one, other in zip(gradients(plain, given_image), gradients(own, given_image), strict=True):
            assert torch.allclose(one, other, rtol=1e-4, atol=1e-4)
        plain.zero_grad(set_to_none=True)
        own.zero_grad(set_to_none=True)


@pytest.mark.parametrize("how", [{"dilation": 2}, {"padding": (1, 2)}, {"padding": "same"}, {"stride": (1, 2)}])
def test_other_kinds_are_left_to_pytorch(how):
    plain, own = pair(kernel_size=5, **how)
    image = torch.randn(1, 8, 16, 16)
    for one, other in zip(gradients(plain, image), gradients(own, image), strict=True):
        assert torch.allclose(one, other, rtol=1e-4, atol=1e-4)


def test_under_autocast_it_stays_in_fp32_and_learns():
    _, own = pair(kernel_size=5, padding=2)
    image = torch.randn(1, 8, 16, 16).bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        out = own(image)
    assert out.dtype == torch.float32
    out.sum().backward()
    assert own.weight.grad.dtype == torch.float32 and own.weight.grad.abs().sum() > 0


def test_frozen_weights_get_no_gradient_and_the_input_does():
    _, own = pair(kernel_size=5, padding=2)
    own.requires_grad_(False)
    image = torch.randn(1, 8, 16, 16, requires_grad=True)
    own(image).sum().backward()
    assert own.weight.grad is None and image.grad is not None


def test_a_network_keeps_its_weights_and_names():
    network = nn.Sequential(nn.Conv2d(4, 4, 5, groups=4), nn.Conv2d(4, 8, 3), nn.Conv2d(8, 8, 3, groups=2))
    before = {name: value.clone() for name, value in network.state_dict().items()}
    keep_depthwise_in_float32(network)
    assert [type(layer) is DepthwiseConv2d for layer in network] == [True, False, False]
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())


def test_an_image_smaller_than_the_kernel():
    image = torch.randn(1, 2, 2, 3, dtype=torch.float32)
    gradient = torch.randn(1, 2, 2, 3)
    wanted = torch.nn.grad.conv2d_weight(image, (2, 1, 5, 5), gradient, 1, 2, groups=2)
    assert torch.allclose(weight_gradient_in_blocks(image, gradient, 5, 1, 2), wanted, atol=1e-5)
