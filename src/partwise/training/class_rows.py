"""The layers of a network that hold classes, made from those of a model of other classes.

A class that several classes stand for has the sum of their probabilities: the logarithm of a sum of exponentials of
their logits, which no single row of a layer gives. The mean of their rows is far from it: at a car, where the logit of
truck is low, it is low. So the rows of the semantic map are combined with weights by which their logits are nearest to
that logarithm, in the sense of least squares, at some pixels of the training images.

Axes: C classes of the model, K of the method, P pixels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from partwise.class_map import ClassMap
from partwise.errors import PartwiseError
from partwise.methods import ClassRows, HasClassHeads, Method, image_batch
from partwise.methods.options import resized_images

__all__ = ["Blend", "logits_of_images", "mapped_state"]

_PIXELS = 4000  # of an image that the weights are fitted at


@dataclass(frozen=True, eq=False)
class Blend:
    """How the logits of the model's classes make those of the method's.

    Attributes:
        weights_KC: (K, C) float32; a row of 0 for a class that none stands for.
        bias_K: (K,) float32.
    """

    weights_KC: Tensor
    bias_K: Tensor

    @classmethod
    def mean(cls, places: Sequence[Sequence[int]], classes: int) -> Blend:
        """The mean of the classes that stand for each.

        Args:
            places: For each of the K classes the places of its classes among those of the model.
            classes: C.
        """
        weights_KC = torch.zeros(len(places), classes)
        for k, some in enumerate(places):
            weights_KC[k, list(some)] = 1 / max(len(some), 1)
        return cls(weights_KC, torch.zeros(len(places)))

    @classmethod
    def fitted(cls, logits_PC: Tensor, places: Sequence[Sequence[int]]) -> Blend:
        """By least squares, so that classes that several stand for have nearly the sum of their probabilities.

        A class that one class stands for gets its logit as it is. All logits are relative to their mean at a pixel,
        which changes no probability.

        Args:
            logits_PC: (P, C), of the model.
            places: As for `mean`.
        """
        relative_PC = logits_PC.double() - logits_PC.double().mean(dim=1, keepdim=True)
        inputs = torch.cat([relative_PC, relative_PC.new_ones(len(relative_PC), 1)], dim=1)
        square = inputs.T @ inputs
        square += 1e-6 * square.diagonal().mean() * torch.eye(len(square), dtype=square.dtype)
        found = cls.mean(places, logits_PC.shape[1])
        for k, some in enumerate(places):
            if len(some) > 1:
                solved = torch.linalg.solve(square, inputs.T @ relative_PC[:, list(some)].logsumexp(dim=1)).float()
                found.weights_KC[k], found.bias_K[k] = solved[:-1], solved[-1]
        centred_KC = found.weights_KC - found.weights_KC.mean(dim=1, keepdim=True)
        return cls(centred_KC, found.bias_K)


@torch.inference_mode()
def logits_of_images(model: Method, images: Sequence[np.ndarray]) -> Tensor | None:
    """(P, C) logits of the semantic map at random pixels of images; None if the model has no semantic map.

    Args:
        model: In evaluation mode.
        images: (H, W, 3) uint8 RGB each, of any size.
    """
    if not model.has_semantics or not images:
        return None
    rng, found = np.random.default_rng(0), []
    for image_HW3 in images:
        size = model.usual_size(image_HW3.shape[:2])
        outputs = model.respond(resized_images(image_batch(image_HW3), size))
        logits_PC = outputs["semantic"][0].flatten(1).T
        found.append(logits_PC[torch.from_numpy(rng.permutation(len(logits_PC))[:_PIXELS])])
    return torch.cat(found)


def mapped_state(
    method: Method, state: Mapping[str, Tensor], classes: ClassMap, path: str, logits_PC: Tensor | None = None
) -> dict[str, Tensor]:
    """The state of a model of other classes with the layers of its classes as the method has them.

    Rows of the semantic map are combined as `Blend` says; other rows, such as those of boxes, are means. The rows of a
    class that none stands for are the method's own. Layers that do not fit are left out.

    Args:
        method: The method.
        state: Of the model.
        classes: Which of its classes stand for which of the method.
        path: Of the model, for errors.
        logits_PC: What the model says of training images; None: rows of the semantic map are means, too.

    Raises:
        PartwiseError: If the method does not say which of its layers hold classes.
    """
    if not isinstance(method, HasClassHeads):
        raise PartwiseError(
            f"{path}: its classes ({classes.old.name}) are not those of the data ({classes.new.name}), and "
            f"{type(method).__name__} does not say which of its layers hold classes: give a model of the same classes"
        )
    own, mapped, shifted = method.state_dict(), dict(state), False
    for head in method.class_heads():
        places = classes.rows(head.classes)
        of_map = head.classes == "evaluated"
        many = len(classes.old.evaluated if of_map else classes.old.things)
        blend = Blend.mean(places, many) if not of_map or logits_PC is None else Blend.fitted(logits_PC, places)
        for kind in ("weight", "bias"):
            name = f"{head.layer}.{kind}"
            given = mapped.pop(name, None)
            if given is None or given.shape != (head.rows_before + many * head.rows_each, *own[name].shape[1:]):
                continue
            rows = _blended(own[name], given, head, blend, places)
            if kind == "bias" and of_map and not shifted:  # the logits of several layers are added up
                rows += torch.where(torch.tensor([bool(some) for some in places]), blend.bias_K, 0.0)
                shifted = True
            mapped[name] = rows
    return mapped


def _blended(own: Tensor, given: Tensor, head: ClassRows, blend: Blend, places: Sequence[Sequence[int]]) -> Tensor:
    """The parameter of a layer of classes, from `given` of the model; `own` where no class stands for one."""
    rows = own.clone()
    rows[: head.rows_before] = given[: head.rows_before]
    by_class = given[head.rows_before :].unflatten(0, (-1, head.rows_each))
    mixed = torch.einsum("kc,c...->k...", blend.weights_KC, by_class)
    kept = rows[head.rows_before :].unflatten(0, (-1, head.rows_each))
    for k, some in enumerate(places):
        if some:
            kept[k] = mixed[k]
    return rows
