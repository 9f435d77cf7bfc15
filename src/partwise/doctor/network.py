"""Check a method's network: what the backbone sees, how its dilation fits its strides, how far an output sees.

Axes: H and W in pixels.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from partwise.backbones import Backbone, VggBackbone, build_backbone
from partwise.doctor.finding import Finding, judged
from partwise.doctor.start import layer_name, vgg_block
from partwise.doctor.trial import ChannelStatistics
from partwise.methods import Method

TRUNK_TOLERANCE = 0.05  # in standard deviations: rounding and padding are far below, a missing mean is half of one
# Luo et al. 2016, "Understanding the effective receptive field": the part of it that matters is a small bell; what lies
# outside 95.45 % (two standard deviations) of the gradient has next to no say.
EFFECTIVE_SHARE = 0.9545


def backbone_input(method: Method, first: ChannelStatistics, images: list[Tensor]) -> list[Finding]:
    """Compare what enters the backbone with what its weights expect.

    They expect (image / 255 - mean) / std, with the numbers of the backbone.

    Args:
        method: Any method.
        first: Statistics of what entered the backbone.
        images: The batches (B, 3, H, W) uint8 that these are the statistics of.
    """
    expected = build_backbone(method.backbone.name) if not isinstance(method.backbone, VggBackbone) else VggBackbone
    pixels = torch.cat([batch.double().movedim(1, 0).flatten(1) for batch in images], dim=1) / 255
    wanted_mean = (pixels.mean(dim=1).numpy() - expected.mean) / expected.std
    wanted_std = pixels.std(dim=1, correction=0).numpy() / expected.std
    mean, std = np.array(first.mean), np.array(first.std)
    off = max(float(np.abs(mean - wanted_mean).max()), float(np.abs(np.log(std / wanted_std)).max()))
    what = "distance of mean and scale of what enters the backbone from what its weights expect, in standard deviations"
    remedy = "normalise images with the backbone's mean and std (Method.normalise)"
    details = {"mean": first.mean, "std": first.std, "expected_mean": wanted_mean.tolist()}
    details["expected_std"] = wanted_std.tolist()
    return [judged("backbone input", what, off, first.layer, remedy, fault_above=TRUNK_TOLERANCE, details=details)]


def holes(method: Method) -> list[Finding]:
    """Find convolutions of VGG16 whose pixels are spaced otherwise than those that their weights were trained for.

    A layer's weights were trained at the stride of its block (conv5: 16 px). At a finer stride its dilation has to make
    up for it: stride x dilation must be the trained one (InstanceFCN, section 4; DeepLab, section 2).
    """
    if not isinstance(method.backbone, VggBackbone):
        return []
    wrong, layers, side = {}, 0, 64
    sizes: dict[str, int] = {}
    hooks = [
        layer.register_forward_pre_hook(lambda _, arguments, name=name: sizes.update({name: arguments[0].shape[-1]}))
        for name, layer in method.backbone.named_modules()
        if isinstance(layer, nn.Conv2d)
    ]
    with torch.no_grad():
        method.backbone(torch.zeros(1, 3, side, side, device=next(method.parameters()).device))
    for hook in hooks:
        hook.remove()
    for name, layer in method.backbone.named_modules():
        if name in sizes and name.startswith("features.") and layer.kernel_size[0] > 1:
            layers += 1
            spacing = side // sizes[name] * layer.dilation[0]
            trained = 2 ** (vgg_block(int(name.split(".")[1])) - 1)
            if spacing != trained:
                wrong[layer_name(method, name)] = f"{spacing} px, trained at {trained}"
    what = f"of {layers} convolutions, those whose taps lie at another spacing than their weights were trained at"
    where = ", ".join(f"{name} ({words})" for name, words in wrong.items()) or method.backbone.name
    remedy = "where a pooling keeps its resolution, dilate every later pretrained layer by what the stride lost"
    return [judged("holes", what, len(wrong), where, remedy, fault_above=0, details=wrong)]


@dataclass(frozen=True)
class Reach:
    """How far from an output's place pixels have an effect, in px along x.

    Attributes:
        whole: The distance beyond which no pixel has an effect.
        effective: The distance within which 95 % of the effect lies.
    """

    whole: float
    effective: float


def receptive_field(method: Method, size: tuple[int, int]) -> Reach:
    """Measure the receptive field: the gradient of the outputs' centre with respect to what enters the backbone.

    Layers that are still at zero are drawn at random first, in a copy: they hide what lies below them.

    Args:
        method: Any method.
        size: (H, W) of the image that is used.
    """
    network = copy.deepcopy(method).eval()
    if isinstance(network.backbone, VggBackbone):
        network.backbone.frozen_layers = 0  # else the gradient would end there
    generator = torch.Generator().manual_seed(0)
    for parameter in network.parameters():
        if parameter.ndim > 1 and float(parameter.detach().abs().max()) == 0:
            noise = torch.randn(parameter.shape, generator=generator) / max(parameter[0].numel(), 1) ** 0.5
            parameter.data.copy_(noise)
    seen: list[Tensor] = []

    def watch(_: Backbone, arguments: tuple) -> tuple:
        seen.append(arguments[0].detach().requires_grad_())
        return (seen[-1],)

    hook = network.backbone.register_forward_pre_hook(watch)
    image = torch.randint(0, 256, (1, 3, *size), dtype=torch.uint8, generator=generator)
    outputs = network(image.to(next(network.parameters()).device))
    hook.remove()
    centre = cast(Tensor, sum(map(_centre, _tensors(outputs))))
    (gradient,) = torch.autograd.grad(centre, seen[0])
    along_x = gradient[0].abs().sum(dim=(0, 1)).cpu().double().numpy()
    distance = np.abs(np.arange(size[1]) + 0.5 - size[1] / 2)
    order = np.argsort(distance)
    inside = np.cumsum(along_x[order]) / max(along_x.sum(), 1e-30)
    effective = float(distance[order][np.searchsorted(inside, EFFECTIVE_SHARE)])
    return Reach(float(distance[along_x > 0].max(initial=0.0)), effective)


def _tensors(outputs: dict) -> list[Tensor]:
    """Return the tensors of outputs, lists included, in one list."""
    return [one for value in outputs.values() for one in (value if isinstance(value, list) else [value])]


def _centre(maps: Tensor) -> Tensor:
    """Return the sum of the absolute values at the middle of maps (..., h, w)."""
    return maps[..., maps.shape[-2] // 2, maps.shape[-1] // 2].abs().sum()
