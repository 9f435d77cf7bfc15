"""Learning from a trained network (the teacher) in addition to the truth.

The teacher gives values at every cell, while the truth gives values only at a few windows.

Sources: "Distilling the Knowledge in a Neural Network" (Hinton et al. 2015), with temperature 1. For the features:
"FitNets: Hints for Thin Deep Nets" (Romero et al. 2015), but without a regressor, because heads that were copied from
the teacher need the maps of the pyramid as they are.

Axes: B images, C evaluated classes, K parts, F channels of a pyramid, h and w cells of a map.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from partwise.errors import PartwiseError
from partwise.methods.capabilities import Distillable, HasPyramid
from partwise.methods.method import Method, Outputs


@contextlib.contextmanager
def pyramid_maps(method: Method) -> Iterator[dict[int, Tensor]]:
    """Collect the maps of a method's pyramid during a forward pass inside this context.

    Args:
        method: The method; without a pyramid the dictionary stays empty.

    Yields:
        The map (B, F, h, w) of each stride in pixels, after the forward pass.
    """
    maps: dict[int, Tensor] = {}
    pyramid = method.pyramid if isinstance(method, HasPyramid) else nn.Identity()
    handle = pyramid.register_forward_hook(lambda module, inputs, outputs: maps.update(outputs))
    try:
        yield maps
    finally:
        handle.remove()


def check_teacher(student: Method, teacher: Method, features: bool = False) -> None:
    """Check that a student can learn from a teacher.

    Args:
        student: The method that is trained.
        teacher: The trained method.
        features: Whether the student also learns the maps of the teacher's pyramid.

    Raises:
        PartwiseError: If their classes differ, if one of them does not support distillation, or if the teacher has
            nothing that the student could learn.
    """
    if student.label_set.evaluated != teacher.label_set.evaluated:
        raise PartwiseError(
            f"teacher: its classes are {teacher.label_set.name}, those of the recipe {student.label_set.name}: give a "
            "teacher with the same classes"
        )
    for whose, method in (("the recipe's method", student), ("teacher: its method", teacher)):
        if not isinstance(method, Distillable):
            raise PartwiseError(
                f"{whose} is {type(method).__name__}, which does not support distillation: leave the teacher out"
            )
    assert isinstance(student, Distillable)
    student.check_teacher(teacher)
    if features:
        pyramids = (method.pyramid.channels if isinstance(method, HasPyramid) else {} for method in (student, teacher))
        mine, its = pyramids
        if not mine or mine != its:
            raise PartwiseError(
                f"teacher_features: the pyramid of the teacher has these channels by stride: {its or 'none'}, that of "
                f"the recipe {mine or 'none'}: make them equal (method.channels), or give 0"
            )


def distilled_semantics(outputs: Outputs, taught: Outputs, class_balance: float = 0.0) -> dict[str, Tensor]:
    """Measure how far a network's semantic map is from its teacher's.

    Args:
        outputs: Outputs of the student; "semantic" has (B, C, h, w) logits of any size.
        taught: Outputs of the teacher for the same images.
        class_balance: As in `semantic_loss`; a pixel has the class that is most likely for the teacher.

    Returns:
        The term "taught_semantic"; empty if one of the networks has no semantic map.
    """
    if "semantic" not in outputs or "semantic" not in taught:
        return {}
    return {"taught_semantic": _semantic(outputs["semantic"], taught["semantic"], class_balance)}


def distilled_parts(outputs: Outputs, taught: Outputs) -> dict[str, Tensor]:
    """Measure how far objectness and part maps are from a teacher's with the same windows.

    Args:
        outputs: Outputs of the student, see `PartMaps`.
        taught: Outputs of the teacher for the same images.

    Returns:
        The terms "taught_objectness" and "taught_parts"; empty if one of the networks has no part maps.
    """
    if "parts" not in outputs or "parts" not in taught:
        return {}
    return {
        "taught_objectness": _objectness(outputs["objectness"], taught["objectness"]),
        "taught_parts": _parts(outputs["parts"], taught["parts"], taught["objectness"]),
    }


def feature_loss(maps: dict[int, Tensor], taught: dict[int, Tensor]) -> Tensor:
    """Measure which share of the variance of the teacher's features the student's features do not explain.

    Args:
        maps: The map (B, F, h, w) of each stride of the student's pyramid.
        taught: The same of the teacher's.

    Returns:
        A scalar, the mean over the strides: 0 if the features are the same, 1 if the student's are everywhere the mean
            of
        the teacher's.
    """
    shares = []
    for stride, taught_BFhw in taught.items():
        taught_BFhw = taught_BFhw.float()
        variance = (taught_BFhw - taught_BFhw.mean(dim=(2, 3), keepdim=True)).square().mean()
        shares.append((maps[stride].float() - taught_BFhw).square().mean() / variance.clamp(min=1e-6))
    return torch.stack(shares).mean()


def _semantic(logits_BChw: Tensor, taught_BChw: Tensor, class_balance: float) -> Tensor:
    """Average the Kullback-Leibler divergence over the teacher's cells, with the weights of `semantic_loss`."""
    logits = F.interpolate(logits_BChw, size=taught_BChw.shape[-2:], mode="bilinear", antialias=True)
    best_Bhw = taught_BChw.argmax(dim=1)
    count = torch.bincount(best_Bhw.flatten(), minlength=taught_BChw.shape[1]).clamp(min=1)
    weight_Bhw = (count.to(logits.dtype) ** -class_balance)[best_Bhw]
    divergence = F.kl_div(
        F.log_softmax(logits, dim=1),
        F.log_softmax(taught_BChw.to(logits.dtype), dim=1),
        reduction="none",
        log_target=True,
    ).sum(dim=1)
    return (weight_Bhw * divergence).sum() / weight_Bhw.sum()


def _objectness(objectness: list[Tensor], taught: list[Tensor]) -> Tensor:
    """Compute the quality focal loss (Li et al. 2020, equation 5), divided by the sum of the teacher's objectness."""
    total, found = objectness[0].new_zeros(()), objectness[0].new_zeros(())
    for logits, taught_logits in zip(objectness, taught, strict=True):
        wanted = torch.sigmoid(taught_logits)
        entropy = F.binary_cross_entropy_with_logits(logits, wanted, reduction="none")
        total = total + (entropy * (wanted - torch.sigmoid(logits)).square()).sum()
        found = found + wanted.sum()
    return total / found.clamp(min=1.0)


def _parts(parts: list[Tensor], taught: list[Tensor], taught_objectness: list[Tensor]) -> Tensor:
    """Average the squared difference of the probabilities, weighted by the teacher's objectness near each cell."""
    total, weights = parts[0].new_zeros(()), parts[0].new_zeros(())
    for maps_BKhw, taught_BKhw, objectness_Bhw in zip(parts, taught, taught_objectness, strict=True):
        near = F.max_pool2d(torch.sigmoid(objectness_Bhw), 9, stride=1, padding=4)
        distance = (torch.sigmoid(maps_BKhw) - torch.sigmoid(taught_BKhw)).square().mean(dim=1)
        total, weights = total + (near * distance).sum(), weights + near.sum()
    return total / weights.clamp(min=1.0)
