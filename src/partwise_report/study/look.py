"""A network looked at on frames: the scores of the evaluator and the probes, from one pass of the network."""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import partial

import torch

from partwise.backbones.fold import fold_batch_norm
from partwise.methods import Method
from partwise.methods.method import Outputs, image_batch
from partwise.scene import Prediction, Scene, Scenes
from partwise_report.study.probes import Probes
from streeteval.evaluator import CityscapesEvaluator
from streeteval.scene import Mapped


class View(Mapped[Scene]):
    """Scenes cut to the part around their middle that is at most `size` (H, W) in pixels; (0, 0) leaves them whole."""

    def __init__(self, scenes: Scenes, size: tuple[int, int] = (0, 0)):
        super().__init__(scenes, partial(_cut, size=size))


def _cut(scene: Scene, size: tuple[int, int]) -> Scene:
    return scene.cut(middle_of(scene.size, size))


def middle_of(size: tuple[int, int], view: tuple[int, int]) -> tuple[slice, slice]:
    """Rows and columns of the part around the middle of an image of `size` (H, W) that is at most `view`; 0: all."""
    height, width = (min(want or side, side) for want, side in zip(view, size, strict=True))
    top, left = (size[0] - height) // 2, (size[1] - width) // 2
    return slice(top, top + height), slice(left, left + width)


@torch.inference_mode()
def outputs_of(method: Method, scene: Scene) -> Outputs:
    """What a network says of one scene."""
    device = next(method.parameters()).device
    return method.respond(image_batch(scene.image_HW3, device))


def look(
    method: Method,
    scenes: Scenes,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> dict:
    """What the evaluator computes of these scenes, with the figures of the probes as "probes"; `method` stays as it is.

    No instance scores for a semantic method.
    """
    ready = fold_batch_norm(copy.deepcopy(method))
    evaluator, probes = CityscapesEvaluator(method.label_set), Probes()
    for i in range(len(scenes)):
        scene = scenes[i]
        outputs = outputs_of(ready, scene)
        prediction = _at_all_sizes(ready, scene) or ready.decode(outputs, scene.size)[0]
        instances = prediction.instances if method.has_instances else None
        evaluator.update(scene, instances, prediction.semantic_HW)
        probes.add(ready, outputs, scene)
        progress(i + 1, len(scenes))
    return evaluator.compute() | {"probes": probes.figures()}


def _at_all_sizes(method: Method, scene: Scene) -> Prediction | None:
    """The prediction of a method that looks at several sizes of an image; None for all others."""
    if not getattr(getattr(method.config, "decode", None), "short_sides_px", ()):
        return None
    device = next(method.parameters()).device
    return method.predict(image_batch(scene.image_HW3, device))[0]
