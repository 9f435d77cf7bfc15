"""FCN-8s and what is built on it: its two halves, its options."""

import pytest
import torch
from torch.nn import functional as F

from partwise.methods import FcnConfig, build_method
from partwise.methods.fcn import bilinear_deconvolution
from partwise_report.ordering import OrderingConfig, OrdersConfig

SMALL = {"channels": 8, "dropout": 0.0}


@pytest.mark.parametrize(
    "config",
    [
        FcnConfig(output_stride=32, **SMALL),
        FcnConfig(output_stride=8, **SMALL),
        FcnConfig(output_stride=8, holes=True, **SMALL),
        OrderingConfig(source="slice", **SMALL),
        OrderingConfig(source="full", **SMALL),
        OrdersConfig(coordinates=True, **SMALL),
    ],
    ids=str,
)
def test_the_heads_on_kept_features_say_what_the_network_says(config):
    torch.manual_seed(0)
    method = build_method(config).eval()
    images = torch.randint(0, 256, (2, 3, 64, 96), dtype=torch.uint8)
    with torch.no_grad():
        for parameter in method.parameters():  # score layers start at 0, and would say the same of anything
            torch.nn.init.normal_(parameter, std=0.05)
        features = method.features(images)
        whole, split = method(images), method.heads(features)
    assert list(split) == list(whole)
    assert all(torch.equal(split[name], whole[name]) and whole[name].std() > 0 for name in whole)
    assert all(images.shape[-1] == maps.shape[-1] * stride for stride, maps in features.items())


def test_training_the_heads_on_kept_features_needs_no_backbone():
    method = build_method(OrderingConfig(source="full", **SMALL))
    with torch.no_grad():
        features = {stride: maps.half() for stride, maps in method.features(torch.zeros(1, 3, 64, 64).byte()).items()}
    outputs = method.heads({stride: maps.float() for stride, maps in features.items()})
    truth = {"ranks": torch.ones(64, 64, dtype=torch.uint8)}
    sum(method.loss(outputs, [truth]).values()).backward()
    moved = {name.split(".")[0] for name, p in method.named_parameters() if p.grad is not None}
    assert moved >= {"score", "skips"} and "backbone" not in moved


@pytest.mark.parametrize("factor", [2, 8, 32])
def test_a_deconvolution_starts_as_bilinear_enlargement(factor):
    maps = torch.randn(1, 3, 6, 8)
    larger = bilinear_deconvolution(3, factor)(maps)
    wanted = F.interpolate(maps, scale_factor=factor, mode="bilinear")
    assert larger.shape == wanted.shape
    inside = (..., slice(factor, -factor), slice(factor, -factor))  # at the border the one sees zeros
    torch.testing.assert_close(larger[inside], wanted[inside])


@pytest.mark.parametrize("config", [FcnConfig, OrderingConfig])
def test_learnt_upsampling_learns_and_fixed_upsampling_has_no_weights(config):
    learnt, fixed = (build_method(config(upsampling=how, **SMALL)) for how in ("learnt", "fixed"))
    assert {name.split(".")[0] for name in set(learnt.state_dict()) - set(fixed.state_dict())} == {"enlarge"}
    for layer in (learnt.score, *learnt.skips.values()):
        torch.nn.init.normal_(layer.weight)
    (maps,) = learnt(torch.zeros(1, 3, 64, 64, dtype=torch.uint8)).values()
    maps.square().mean().backward()
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in learnt.enlarge.parameters())


@pytest.mark.parametrize("holes", [False, True])
def test_conv7_of_3x3_sees_its_neighbours(holes):
    def seen(size):
        torch.manual_seed(0)
        method = build_method(FcnConfig(output_stride=8, conv7=size, holes=holes, **SMALL)).eval()
        maps = torch.randn(1, 8, 9, 9, requires_grad=True)
        out = method.conv7[0](maps)
        assert out.shape == maps.shape
        out[..., 4, 4].sum().backward()
        return int((maps.grad.abs().sum(dim=1) > 0).sum())

    assert (seen("1x1"), seen("3x3")) == (1, 9)
