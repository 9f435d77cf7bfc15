"""A model whose predictions are named by the classes of another label set, without training.

Axes: B images, H and W in pixels.
"""

from __future__ import annotations

import torch
from torch import Tensor

from partwise.backbones import Backbone
from partwise.class_map import ClassMap
from partwise.methods.capabilities import Mirrorable
from partwise.methods.method import Method, Outputs
from partwise.methods.options import DEFAULT_OPTIONS, InferenceOptions
from partwise.scene import Prediction

__all__ = ["MappedMethod"]


class MappedMethod(Method):
    """A trained method that predicts as before, with the classes of `classes.new` in the place of its own.

    It cannot be trained: what it would learn from has other classes than its network.

    Args:
        method: A method whose label set is `classes.old`.
        classes: Which of its classes stand for which class of the other label set, see `ClassMap.applied`.
    """

    def __init__(self, method: Method, classes: ClassMap):
        super().__init__()
        self.method, self.classes = method, classes
        self.config, self.label_set = method.config, classes.new
        self.has_instances, self.has_semantics = method.has_instances, method.has_semantics
        self.mirrored = method.mirrored if isinstance(method, Mirrorable) else None  # the ability of the method

    @property
    def backbone(self) -> Backbone:  # type: ignore[override]  # a module cannot belong to two others under two names
        """Of the network."""
        return self.method.backbone

    @property
    def default_scale(self) -> float:
        """How many times as large the network sees an image where nothing else is said."""
        return self.method.default_scale

    @property
    def view_px(self) -> int:
        """The maximum number of pixels of the usual view."""
        return self.method.view_px

    def forward(self, images_B3HW: Tensor) -> Outputs:
        """The outputs of the network, in its own classes."""
        return self.method(images_B3HW)

    @torch.inference_mode()
    def predict(self, images_B3HW: Tensor, options: InferenceOptions = DEFAULT_OPTIONS) -> list[Prediction]:
        """uint8 images of any size -> predictions of that size, in the classes of `classes.new`."""
        return [self.classes.applied(one) for one in self.method.predict(images_B3HW, options)]
