"""FCN-8s and what is built on it: its two halves, its options."""

import pytest
import torch

from partwise.methods import FcnConfig, build_method
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
