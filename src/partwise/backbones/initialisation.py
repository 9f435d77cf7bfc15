"""Initial weights of convolutions for which no weights are loaded."""

import math
from collections.abc import Iterable

from torch import nn


def he_normal(layers: Iterable[nn.Module]) -> None:
    """Initialise the convolutions among `layers` by He et al. (2015), with a bias of 0; skip other layers."""
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
    """Initialise a convolution that gives logits so that each cell starts near a small probability.

    Args:
        layer: The convolution.
        prior: The initial probability, above 0 and below 1 (RetinaNet, Lin et al. 2017, section 4.1).
    """
    assert isinstance(layer, nn.Conv2d)
    nn.init.normal_(layer.weight, std=0.01)
    _set_bias(layer, -math.log((1 - prior) / prior))


def _set_bias(layer: nn.Conv2d, value: float) -> None:
    """Set the bias of a convolution, if it has one, to a value."""
    if layer.bias is not None:
        nn.init.constant_(layer.bias, value)
