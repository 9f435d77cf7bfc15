"""The optimiser with its groups of weights, and the schedule of the learning rate."""

import math

import torch

from partwise.errors import PartwiseError
from partwise.methods import Method
from partwise.training.config import OptimConfig


def build_optimiser(method: Method, config: OptimConfig) -> torch.optim.Optimizer:
    """Build the optimiser, with groups for the backbone and the rest, each with and without weight decay.

    Norms and biases have no weight decay. If `backbone_lr_factor` is 0, the backbone is frozen.

    Args:
        method: The network.
        config: The settings.

    Raises:
        PartwiseError: If the optimiser is unknown.
    """
    groups: dict[tuple[bool, bool], list] = {}
    for name, parameter in method.named_parameters():
        in_backbone = name.startswith("backbone.")
        if in_backbone and config.backbone_lr_factor == 0:
            parameter.requires_grad_(False)
        if not parameter.requires_grad:
            continue
        groups.setdefault((in_backbone, parameter.ndim > 1), []).append(parameter)
    parameters = [
        {
            "params": members,
            "lr_factor": config.backbone_lr_factor if in_backbone else 1.0,
            "weight_decay": config.weight_decay if decays else 0.0,
        }
        for (in_backbone, decays), members in groups.items()
    ]
    # fused: one pass over the weights in each step; VGG16 with 1,024 channels in fc6 has 25 million weights
    if config.name == "adamw":
        return torch.optim.AdamW(parameters, lr=config.lr, fused=True)
    if config.name == "adam":
        return torch.optim.Adam(parameters, lr=config.lr, fused=True)
    if config.name == "sgd":
        return torch.optim.SGD(parameters, lr=config.lr, momentum=0.9, fused=True)
    raise PartwiseError(f"optim.name={config.name!r}: give adamw, adam or sgd")


def restore_optimiser(optimiser: torch.optim.Optimizer, state: dict) -> None:
    """Restore the state of an optimiser, but keep its present settings (such as the learning rate).

    Args:
        optimiser: The optimiser.
        state: What `state_dict` of the earlier optimiser returned.

    Raises:
        ValueError: If the state belongs to an optimiser of another kind.
    """
    groups = optimiser.param_groups
    settings = [{key: value for key, value in group.items() if key != "params"} for group in groups]
    pairs = zip(settings, state["param_groups"], strict=False)  # load_state_dict checks the number of groups
    if any(own.keys() != group.keys() - {"params"} for own, group in pairs):
        raise ValueError("optim.name")
    optimiser.load_state_dict(state)
    for group, own in zip(optimiser.param_groups, settings, strict=True):
        group.update(own)


def schedule(name: str, done: float) -> float:
    """Return the factor of the learning rate.

    Args:
        name: "poly", "cosine", "constant" or "step".
        done: Share of the run that is done, 0..1.

    Raises:
        PartwiseError: If the schedule is unknown.

    >>> schedule("cosine", 0.5)
    0.5
    """
    if name == "constant":
        return 1.0
    if name == "poly":
        return (1.0 - done) ** 0.9
    if name == "cosine":
        return round(0.5 * (1.0 + math.cos(math.pi * done)), 12)
    if name == "step":  # InstanceFCN, section 4: a tenth in the last 8,000 of 40,000 steps
        return 1.0 if done < 0.8 else 0.1
    raise PartwiseError(f"optim.schedule={name!r}: give poly, cosine, constant or step")
