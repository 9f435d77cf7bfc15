"""Scoring a network on scenes: the one function behind `partwise evaluate` and the evaluation during training."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import torch
from partwise.evaluation.evaluator import CityscapesEvaluator

from partwise.methods import Method
from partwise.scene import Prediction, Scene


def evaluate_method(
    method: Method,
    scenes: Sequence[Scene],
    evaluator: CityscapesEvaluator,
    *,
    device: torch.device | str = "cpu",
    precision: str = "no",
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> dict:
    """Predict every scene at its own resolution, one image at a time, and score it.

    precision  "bf16" runs the network under autocast, "no" in fp32
    returns    what `evaluator.compute()` gives, with "seconds" (reading, network, decoding and scoring)
    """
    begin = time.perf_counter()
    was_training = method.training
    method.eval()
    for i in range(len(scenes)):
        scene = scenes[i]
        prediction = predict_scene(method, scene, device, precision)
        evaluator.update(scene, prediction.instances, prediction.semantic_HW)
        progress(i + 1, len(scenes))
    method.train(was_training)
    return evaluator.compute() | {"seconds": round(time.perf_counter() - begin, 2)}


def predict_scene(method: Method, scene: Scene, device: torch.device | str, precision: str) -> Prediction:
    """The method's prediction for a scene's image."""
    image = torch.tensor(scene.image_HW3).permute(2, 0, 1)[None].to(device)
    with torch.autocast(torch.device(device).type, dtype=torch.bfloat16, enabled=precision == "bf16"):
        return method.predict(image)[0]


class EvenlySpaced(Sequence):
    """At most `count` scenes of a sequence, evenly spaced; 0 means all."""

    def __init__(self, scenes: Sequence[Scene], count: int):
        self.scenes = scenes
        total = len(scenes)
        self.chosen = list(range(total)) if count <= 0 else [i * total // count for i in range(min(count, total))]
        if 0 < total < count:
            self.chosen = list(range(total))

    def __len__(self) -> int:
        return len(self.chosen)

    def __getitem__(self, i: int) -> Scene:
        return self.scenes[self.chosen[i]]
