"""Learning from a trained network besides the truth: it says something at every cell, the truth only at a few windows.

Sources: "Distilling the Knowledge in a Neural Network" (Hinton et al., 2015), with temperature 1; for the features
"FitNets: Hints for Thin Deep Nets" (Romero et al., 2015), without a regressor: heads that start as the teacher's read
the maps of the pyramid as they are.

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
    """{stride: (B, F, h, w)}, filled by a forward pass of the method; empty where it has no pyramid."""
    maps: dict[int, Tensor] = {}
    pyramid = method.pyramid if isinstance(method, HasPyramid) else nn.Identity()
    handle = pyramid.register_forward_hook(lambda module, inputs, outputs: maps.update(outputs))
    try:
        yield maps
    finally:
        handle.remove()


def check_teacher(student: Method, teacher: Method, features: bool = False) -> None:
    """Raises PartwiseError where the teacher says nothing that the student could learn.

    features   whether it is also to learn the features
    """
    if student.label_set.evaluated != teacher.label_set.evaluated:
        raise PartwiseError(
            f"teacher: its classes are {teacher.label_set.name}, the recipe's {student.label_set.name}: give a teacher "
            "of the same classes"
        )
    for whose, method in (("the recipe's method", student), ("teacher: its method", teacher)):
        if not isinstance(method, Distillable):
            raise PartwiseError(
                f"{whose} is {type(method).__name__}, which neither teaches nor is taught: leave it out"
            )
    assert isinstance(student, Distillable)
    student.check_teacher(teacher)
    if features:
        pyramids = (method.pyramid.channels if isinstance(method, HasPyramid) else {} for method in (student, teacher))
        mine, its = pyramids
        if not mine or mine != its:
            raise PartwiseError(
                f"teacher_features: the channels of the teacher's pyramid by stride are {its or 'none'}, the recipe's "
                f"{mine or 'none'}: make them equal (method.channels), or give 0"
            )


def distilled_semantics(outputs: Outputs, taught: Outputs, class_balance: float = 0.0) -> dict[str, Tensor]:
    """How far a network's semantic map is from its teacher's; nothing where one of them has none.

    Args:
        outputs: Of the student: "semantic" (B, C, h, w) logits of any size.
        taught: Of the teacher, on the same images.
        class_balance: As in `semantic_loss`, by the teacher's classes.
    """
    if "semantic" not in outputs or "semantic" not in taught:
        return {}
    return {"taught_semantic": _semantic(outputs["semantic"], taught["semantic"], class_balance)}


def distilled_parts(outputs: Outputs, taught: Outputs) -> dict[str, Tensor]:
    """How far objectness and part maps are from a teacher's of the same windows; nothing where one has none."""
    if "parts" not in outputs or "parts" not in taught:
        return {}
    return {
        "taught_objectness": _objectness(outputs["objectness"], taught["objectness"]),
        "taught_parts": _parts(outputs["parts"], taught["parts"], taught["objectness"]),
    }


def feature_loss(maps: dict[int, Tensor], taught: dict[int, Tensor]) -> Tensor:
    """How much of the variance of the teacher's features is not explained, mean over the strides of the pyramid.

    0 where the student's are the same, 1 where they are the teacher's mean everywhere.
    """
    shares = []
    for stride, taught_BFhw in taught.items():
        taught_BFhw = taught_BFhw.float()
        variance = (taught_BFhw - taught_BFhw.mean(dim=(2, 3), keepdim=True)).square().mean()
        shares.append((maps[stride].float() - taught_BFhw).square().mean() / variance.clamp(min=1e-6))
    return torch.stack(shares).mean()


def _semantic(logits_BChw: Tensor, taught_BChw: Tensor, class_balance: float) -> Tensor:
    """Kullback-Leibler divergence, mean over the teacher's cells, each weighted as in `semantic_loss`."""
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
    """Quality focal loss (Li et al. 2020, equation 5), divided by the sum of the teacher's objectness."""
    total, found = objectness[0].new_zeros(()), objectness[0].new_zeros(())
    for logits, taught_logits in zip(objectness, taught, strict=True):
        wanted = torch.sigmoid(taught_logits)
        entropy = F.binary_cross_entropy_with_logits(logits, wanted, reduction="none")
        total = total + (entropy * (wanted - torch.sigmoid(logits)).square()).sum()
        found = found + wanted.sum()
    return total / found.clamp(min=1.0)


def _parts(parts: list[Tensor], taught: list[Tensor], taught_objectness: list[Tensor]) -> Tensor:
    """Squared distance of the probabilities, mean over the cells near windows that the teacher believes in."""
    total, weights = parts[0].new_zeros(()), parts[0].new_zeros(())
    for maps_BKhw, taught_BKhw, objectness_Bhw in zip(parts, taught, taught_objectness, strict=True):
        near = F.max_pool2d(torch.sigmoid(objectness_Bhw), 9, stride=1, padding=4)
        distance = (torch.sigmoid(maps_BKhw) - torch.sigmoid(taught_BKhw)).square().mean(dim=1)
        total, weights = total + (near * distance).sum(), weights + near.sum()
    return total / weights.clamp(min=1.0)
