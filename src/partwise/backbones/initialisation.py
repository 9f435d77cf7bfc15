"""How the convolutions of the networks start where no weights are loaded."""

import math
from collections.abc import Iterable

from torch import nn


def he_normal(layers: Iterable[nn.Module]) -> None:
    """Set the convolutions among layers to He initialisation with a bias of 0; leave the other layers as they are."""
    for layer in layers:
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            _set_bias(layer, 0.0)


def start_at_zero(layer: nn.Module) -> None:
    """Set the weights and the bias of a convolution to 0."""
    assert isinstance(layer, nn.Conv2d)
    nn.init.zeros_(layer.weight)
    _set_bias(layer, 0.0)


def start_as_rare(layer: nn.Module, prior: float) -> None:
    """Set a convolution that gives logits so that each cell starts with the probability `prior`, 0..1."""
    assert isinstance(layer, nn.Conv2d)
    nn.init.normal_(layer.weight, std=0.01)
    _set_bias(layer, -math.log((1 - prior) / prior))


def _set_bias(layer: nn.Conv2d, value: float) -> None:
    if layer.bias is not None:
        nn.init.constant_(layer.bias, value)
