"""The report's second phase with its fault corrected: the same network, maps that can be learnt.

Each is `ordering_full` but for what its name says, and for a learning rate and crops with which a network moves.
"""

from __future__ import annotations

from dataclasses import replace

from partwise.training.config import OptimConfig, Recipe, TrainingConfig
from partwise_report.ordering import OrdersConfig
from partwise_report.recipes.systems import UNCHANGED


def ordering_coordinates() -> Recipe:
    """Ranks as in the report, but the layers that make them see y and x (CoordConv)."""
    return _order("coordinates", "ranks; the last layers see y and x (CoordConv)", OrdersConfig(coordinates=True))


def ordering_locations() -> Recipe:
    """The cell of the centre instead of its rank (SOLO, which sees coordinates, too)."""
    about = "the cell of the centre in a grid of 6 x 12 instead of a rank (SOLO)"
    return _order("locations", about, OrdersConfig(assignment="location", coordinates=True))


def ordering_hungarian() -> Recipe:
    """30 maps without an order: each image has the assignment that fits the network's maps best."""
    about = "30 maps without an order, assigned by best fit (Hungarian)"
    return _order("hungarian", about, OrdersConfig(assignment="hungarian", coordinates=True))


def ordering_colouring() -> Recipe:
    """Colours that instances far from each other share (Deep Coloring)."""
    return _order("colouring", "8 colours, given dynamically (Deep Coloring)", OrdersConfig("colouring", maps=8))


def _order(name: str, about: str, method: OrdersConfig) -> Recipe:
    """Whole frames, as places on the image mean something; AdamW at the rate of our FCN."""
    return Recipe(
        name=f"ordering_{name}",
        about=f"cars told apart by {about}; start it from fcn8s",
        method=method,
        backbone_weights="torchvision",
        data=replace(UNCHANGED, augment=replace(UNCHANGED.augment, photometric=0.3)),
        optim=OptimConfig(lr=2e-4, backbone_lr_factor=0.5, warmup_steps=50),
        training=TrainingConfig(checkpoint_every_seconds=300),
    )
