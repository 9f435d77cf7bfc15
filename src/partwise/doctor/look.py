"""What the doctor sees of the data: frames as they are read, samples as they are drawn, and their targets.

Axes: B images, H and W in pixels.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from partwise.data.loader import DataConfig, TrainingSamples
from partwise.errors import PartwiseError
from partwise.methods import Method
from partwise.methods.method import Targets
from partwise.scene import Scene, Scenes
from streeteval.scene import EvenlySpaced


@dataclass
class Look:
    """Frames of the data, and samples of them as the network sees them.

    Attributes:
        frames: Frames as they are read.
        samples: Augmented samples of these frames.
        targets: The targets of each sample.
        complete: Whether these are all frames of the data.
        where: The data in words.
    """

    frames: list[Scene]
    samples: list[Scene]
    targets: list[Targets]
    complete: bool
    where: str

    def batches(self, size: int) -> list[tuple[Tensor, list[Targets]]]:
        """Group the samples into batches.

        Args:
            size: Samples in a batch. A last batch that is not full is left out, unless it is the only one.

        Returns:
            Images (B, 3, H, W) uint8 and their targets.
        """
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
    """Read frames and draw samples from them.

    Frames with rare classes come as often as others here, and no rendered street is mixed in: what `config` says of
    both is for training.

    Args:
        scenes: The data.
        count: At most this many frames, evenly spaced; 0 for all.
        method: Makes the targets.
        config: How samples are cut and changed.
        seed: Seed of the samples.
        least: At least this many samples, if there are fewer frames.
        where: The data in words.
        progress: Called with what is being done, how much of it is done, and how much there is.

    Raises:
        PartwiseError: If a frame cannot be read.
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
