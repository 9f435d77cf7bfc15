"""What the doctor sees of the data: frames as they are read, samples as they are drawn, their truth.

Axes: B images, H and W in pixels.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from partwise.data.loader import DataConfig, TrainingSamples
from partwise.errors import PartwiseError
from partwise.evaluation.model import EvenlySpaced
from partwise.methods import Method
from partwise.methods.method import Targets
from partwise.scene import Scene, Scenes


@dataclass
class Look:
    """`frames` as read; `samples` of them as the network sees them, with their `targets`.

    complete   whether these are all frames of the data
    where      the data in words
    """

    frames: list[Scene]
    samples: list[Scene]
    targets: list[Targets]
    complete: bool
    where: str

    def batches(self, size: int) -> list[tuple[Tensor, list[Targets]]]:
        """Images (B, 3, H, W) uint8 and their targets; a last batch that is not full is left out, unless alone."""
        images = [torch.tensor(scene.image_HW3).permute(2, 0, 1) for scene in self.samples]
        starts = range(0, max(len(images) - size + 1, 1), size)
        return [(torch.stack(images[i : i + size]), self.targets[i : i + size]) for i in starts]


def look_at(
    scenes: Scenes,
    count: int,
    method: Method,
    config: DataConfig,
    seed: int,
    least: int,
    where: str,
    progress: Callable[[str, int, int], None] = lambda what, done, total: None,
) -> Look:
    """At most `count` frames, evenly spaced (0: all), and as many samples drawn from them; `least` samples at least.

    Frames with rare classes come as often as others here, and no rendered street is mixed in: what `config` says of
    both is for training. Raises PartwiseError where a frame cannot be read.
    """
    if len(scenes) == 0:
        raise PartwiseError(f"{where}: no frame: there is nothing to look at")
    chosen = EvenlySpaced(scenes, count)
    frames, samples, targets = [], [], []
    for i in range(len(chosen)):
        frames.append(chosen[i])
        progress("reading frames", i + 1, len(chosen))
    plain = replace(config, workers=0, rendered_share=0.0)
    drawn = TrainingSamples(frames, method.targets, plain, seed, classes=method.instance_classes)
    wanted = max(len(frames), least)
    for draw in range(wanted):
        samples.append(drawn.scene(draw))
        targets.append(method.targets(samples[-1]))
        progress("drawing samples", draw + 1, wanted)
    return Look(frames, samples, targets, len(frames) == len(scenes), where)
