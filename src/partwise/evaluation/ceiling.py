"""Compute the AP that a method's representation allows, and how much each stage of a trained network loses below it.

The decoder gets perfect outputs, `oracle(targets(scene))`; or it gets a network's own outputs, of which one at a time
is replaced by the perfect one. So the loss of every stage before the metric is measured alone (in the manner of TIDE,
Bolya et al. 2020, which corrects predictions; here outputs are corrected).

Axes: B images, C evaluated classes, H and W in pixels, h and w cells.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from partwise.data.resized import image_at
from partwise.errors import PartwiseError
from partwise.geometry import padded_size
from partwise.methods import Method
from partwise.methods.method import Outputs, image_batch
from partwise.methods.semantic import upsample
from partwise.scene import Prediction, Scene, Scenes
from streeteval.boxes import crop_iou
from streeteval.evaluator import CityscapesEvaluator
from streeteval.instances import Instances

__all__ = [
    "AS_IS",
    "CEILING",
    "FOUND_IOU",
    "OUTLINES",
    "OUTLINE_PX",
    "ceiling",
    "exchangeable",
    "near_changes",
    "pad_scene",
    "perfect_in_part",
    "seen_scene",
    "with_true_outlines",
]

CEILING = "all true"
AS_IS = "as it is"
OUTLINES = "true outlines"
OUTLINE_PX = 2  # as far from where the class changes as an outline reaches
FOUND_IOU = 0.5  # an instance is found from the least overlap of AP on


def ceiling(
    method: Method,
    scenes: Scenes,
    *,
    trained: bool = False,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> dict:
    """Score a method with perfect outputs, and a trained one also with each of its outputs made perfect alone.

    Args:
        method: Any method of instances, on the CPU: there its outputs are mixed with perfect ones.
        scenes: Scenes with their truth.
        trained: False: only the row "all true"; the network is not run, and its weights do not matter. True: also "as
            it is"; "true X" for every output X that is a map; "true outlines" (`with_true_outlines`: what is lost
            because masks are drawn on a grid); and "all true, true outlines": what is lost then is instances that have
            no place in the representation. A semantic map is also made perfect in part: within 2 px of where the true
            class changes, and everywhere else.
        progress: Called after each scene with how many are done, and how many there are.

    Returns:
        {"images", "seconds", "rows": [{"name", "ap", "ap50", "per_class", "by_size", "ar", "iou_class"}, ...]}.

    Raises:
        PartwiseError: If the method tells no instances apart.
    """
    if not method.has_instances:
        raise PartwiseError(
            "a semantic method tells no instances apart, so that its ceiling in AP is not defined: give a method, "
            "recipe or model that does, such as parts"
        )
    begin = time.perf_counter()
    evaluators: dict[str, CityscapesEvaluator] = {}
    method.eval()
    with torch.inference_mode():
        for i in range(len(scenes)):
            scene = scenes[i]
            for name, prediction in _rows(method, scene, trained):
                evaluator = evaluators.setdefault(name, CityscapesEvaluator(method.label_set))
                evaluator.update(scene, prediction.instances, prediction.semantic_HW)
            progress(i + 1, len(scenes))
    rows = [{"name": name} | _figures(evaluator) for name, evaluator in evaluators.items()]
    return {"images": len(scenes), "seconds": round(time.perf_counter() - begin, 2), "rows": rows}


def _rows(method: Method, scene: Scene, trained: bool) -> Iterator[tuple[str, Prediction]]:
    """Yield the name of each row with the prediction of one scene."""
    size = method.usual_size(scene.size)
    padded = pad_scene(seen_scene(scene, size), method.size_multiple)
    oracle = method.oracle([method.targets(padded)])
    decoded = lambda outputs: method.decode(outputs, size)[0].resized(scene.size)
    if trained:
        outputs: Outputs = method(image_batch(padded.image_HW3))
        as_is = decoded(outputs)
        yield AS_IS, as_is
        if len(outputs) > 1:
            for key in [key for key in outputs if exchangeable(outputs[key], oracle.get(key))]:
                yield f"true {key}", decoded({**outputs, key: oracle[key]})
                if key == "semantic":
                    for where, maps in perfect_in_part(outputs[key], oracle[key]).items():
                        yield f"true {key} {where}", decoded({**outputs, key: maps})
        yield OUTLINES, with_true_outlines(as_is, scene)
    best = decoded(oracle)
    yield CEILING, best
    if trained:
        yield f"{CEILING}, {OUTLINES}", with_true_outlines(best, scene)


def perfect_in_part(logits_BChw: Tensor, oracle_BCHW: Tensor) -> dict[str, Tensor]:
    """Make semantic logits perfect in one part of the image.

    The two results together say whether a network lacks the right class, or the right place of its outline.

    Args:
        logits_BChw: (B, C, h, w) logits of the network.
        oracle_BCHW: (B, C, H, W) perfect logits at the size of the image.

    Returns:
        (B, C, H, W) each: perfect "at outlines" and as they are elsewhere; and perfect "elsewhere".
    """
    logits_BCHW = upsample(logits_BChw, oracle_BCHW.shape[-2:])
    near_B1HW = near_changes(oracle_BCHW.argmax(dim=1), OUTLINE_PX)[:, None]
    return {
        "at outlines": torch.where(near_B1HW, oracle_BCHW, logits_BCHW),
        "elsewhere": torch.where(near_B1HW, logits_BCHW, oracle_BCHW),
    }


def near_changes(classes_BHW: Tensor, reach_px: int) -> Tensor:
    """Find the pixels with another class at most `reach_px` away along both axes.

    Args:
        classes_BHW: (B, H, W) class of each pixel.
        reach_px: Largest distance.

    Returns:
        (B, H, W) bool.

    >>> near_changes(torch.tensor([[[0, 0, 0, 0, 1, 1, 1, 1]]]), 2)[0, 0].int().tolist()
    [0, 0, 1, 1, 1, 1, 0, 0]
    """
    classes_B1HW = classes_BHW[:, None].float()
    around = 2 * reach_px + 1
    highest = F.max_pool2d(classes_B1HW, around, stride=1, padding=reach_px)
    lowest = -F.max_pool2d(-classes_B1HW, around, stride=1, padding=reach_px)
    return (highest != lowest)[:, 0]


def exchangeable(predicted: Tensor | list[Tensor], oracle: Tensor | list[Tensor] | None) -> bool:
    """Return whether a perfect output can take the place of a predicted one: maps can, lists of what was found cannot.

    >>> grids, boxes = [torch.zeros(1, 4, 8)], [torch.zeros(3, 4)]
    >>> exchangeable(grids, [torch.ones(1, 4, 8)]), exchangeable(boxes, [torch.zeros(5, 4)])
    (True, False)
    """
    if isinstance(predicted, Tensor) or isinstance(oracle, Tensor) or oracle is None:
        return isinstance(predicted, Tensor) and isinstance(oracle, Tensor)
    return [grid.shape for grid in predicted] == [grid.shape for grid in oracle]


def with_true_outlines(prediction: Prediction, scene: Scene) -> Prediction:
    """Give every predicted instance whose IoU with a true one of its class is above .5 the mask of the true one.

    It is as if masks were drawn pixel by pixel and not on a grid of cells. Nothing else of the prediction changes.
    """
    instances, truth = prediction.instances, scene.instances
    boxes, masks = instances.boxes.copy(), list(instances.masks)
    for i, label in enumerate(instances.labels.tolist()):
        best, best_iou = -1, FOUND_IOU
        for j in np.flatnonzero(truth.labels == label).tolist():
            iou = crop_iou(instances.boxes[i], instances.masks[i], truth.boxes[j], truth.masks[j])
            if iou > best_iou:
                best, best_iou = j, iou
        if best >= 0:
            boxes[i], masks[i] = truth.boxes[best], truth.masks[best]
    redrawn = Instances(instances.labels, instances.scores, boxes, tuple(masks), instances.size)
    return Prediction(redrawn, prediction.semantic_HW)


def seen_scene(scene: Scene, size: tuple[int, int]) -> Scene:
    """Resize a scene to the `size` (H, W) at which a network sees its image; the truth is resized without blending."""
    if scene.size == size:
        return scene
    return scene.resized_as(image_at(scene.image_HW3, size))


def pad_scene(scene: Scene, multiple: int) -> Scene:
    """Pad a scene with void at the right and the bottom, so that both sides are multiples of `multiple`."""
    height, width = padded_size(scene.size, multiple)
    if (height, width) == scene.size:
        return scene
    return scene.padded((0, height - scene.size[0]), (0, width - scene.size[1]))


def _figures(evaluator: CityscapesEvaluator) -> dict:
    """Return the scores of one row."""
    scores = evaluator.compute()
    kept = {key: scores["instance"][key] for key in ("ap", "ap50", "per_class", "by_size", "ar")}
    return kept | {"iou_class": (scores["semantic"] or {}).get("iou_class")}
