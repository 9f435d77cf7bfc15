"""Check the graph of a forward pass: linear layers in a row with nothing nonlinear between them."""

from __future__ import annotations

from collections import Counter
from typing import Any

from torch import Tensor, nn

from partwise.doctor.finding import Finding, judged

# Names of autograd's nodes, and the place of input and weight among what they come from.
LINEAR_NODES = {"ConvolutionBackward0": (0, 1), "AddmmBackward0": (1, 2), "MmBackward0": (0, 1)}
PASSED_OVER = ("ViewBackward0", "UnsafeViewBackward0", "ReshapeAliasBackward0", "TBackward0", "CloneBackward0")


def linear_pairs(module: nn.Module, loss: Tensor) -> list[tuple[str, str]]:
    """Find pairs of linear layers whose second takes the first's output as it is, and nothing else does.

    Left out are grouped convolutions, and pairs through fewer units than either side has: these save computation.

    Args:
        module: The network.
        loss: A scalar with its graph.

    Returns:
        The names of both weights of each pair.
    """
    names = {id(parameter): name for name, parameter in module.named_parameters()}
    weights = dict(module.named_parameters())
    grouped = {f"{n}.weight" for n, child in module.named_modules() if getattr(child, "groups", 1) > 1}
    nodes = _nodes(loss.grad_fn)
    consumers = Counter(after for node in nodes for after, _ in node.next_functions if after is not None)
    pairs = []
    for node in nodes:
        second, before = _weight_name(node, names), _input_of(node, consumers)
        first = _weight_name(before, names) if before is not None else None
        if first is None or second is None or {first, second} & grouped:
            continue
        hidden = weights[first].shape[0]
        if hidden >= min(weights[first].shape[1], weights[second].shape[0]):
            pairs.append((first, second))
    return sorted(set(pairs))


def stacked_linear_layers(pairs: list[tuple[str, str]]) -> list[Finding]:
    """Report pairs of layers that compute no more than one layer: the nonlinearity between them was forgotten."""
    what = "pairs of layers with no nonlinearity between them"
    where = ", ".join(f"{first} and {second}" for first, second in pairs[:3])
    remedy = "put a ReLU between them, or make them one layer"
    return [judged("stacked linear layers", what, len(pairs), where, remedy, warn_above=0)]


def _nodes(root: Any) -> list[Any]:
    """Return every node of the graph below `root`."""
    seen, waiting = {root}, [root]
    while waiting:
        for after, _ in waiting.pop().next_functions:
            if after is not None and after not in seen:
                seen.add(after)
                waiting.append(after)
    return list(seen)


def _input_of(node: Any, consumers: Counter) -> Any | None:
    """Return the node that made the input of a linear node; None if that input has another use."""
    if node.name() not in LINEAR_NODES:
        return None
    before = node.next_functions[LINEAR_NODES[node.name()][0]][0]
    while before is not None and consumers[before] == 1 and before.name() in PASSED_OVER:
        before = before.next_functions[0][0]
    return before if before is not None and consumers[before] == 1 else None


def _weight_name(node: Any, names: dict[int, str]) -> str | None:
    """Return the name of the parameter that a linear node multiplies with; None if it is not known."""
    if node.name() not in LINEAR_NODES:
        return None
    leaf = node.next_functions[LINEAR_NODES[node.name()][1]][0]
    while leaf is not None and leaf.name() in PASSED_OVER:
        leaf = leaf.next_functions[0][0]
    return names.get(id(leaf.variable)) if leaf is not None and hasattr(leaf, "variable") else None
