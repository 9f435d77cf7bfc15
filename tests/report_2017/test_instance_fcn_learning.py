"""The method of the paper learns what fits its window: two touching cars come apart, from weights that know nothing."""

import numpy as np
import pytest
import torch
from tiny_networks import Watcher

from partwise.data.loader import DataConfig
from partwise.data.transforms import AugmentConfig
from partwise.evaluation.model import evaluate_method
from partwise.methods import build_method
from partwise.scene import Scene
from partwise.training.config import OptimConfig, Recipe, TrainingConfig
from partwise.training.loop import train
from partwise_report.instance_fcn import InstanceFcnConfig
from partwise_report.instance_fcn.decode import InstanceFcnDecodeConfig
from streeteval.evaluator import CityscapesEvaluator

pytestmark = pytest.mark.learning


def two_touching_cars(seed: int) -> Scene:
    """Equal red boxes of 96x60 px with a light at the left and a dark end at the right, side by side, and noise."""
    rng = np.random.default_rng(seed)
    ids, image = np.full((128, 256), 7, np.int32), np.full((128, 256, 3), 90)
    top, left = int(rng.integers(20, 50)), int(rng.integers(10, 50))
    for number, x in enumerate((left, left + 96)):
        ids[top : top + 60, x : x + 96] = 26000 + number
        image[top : top + 60, x : x + 96] = (200, 60, 60)
        image[top : top + 60, x : x + 12], image[top : top + 60, x + 84 : x + 96] = (250, 250, 200), (20, 20, 20)
    image = (image + rng.integers(-10, 10, image.shape)).clip(0, 255).astype(np.uint8)
    return Scene(f"two_cars_{seed}", image, np.where(ids == 7, 7, 26).astype(np.uint8), ids)


def test_the_papers_method_gets_touching_cars_by_heart(tmp_path):
    """Measured: AP50 1 after 20 steps. VGG16's weights are random and fixed."""
    scenes = [two_touching_cars(seed) for seed in (0, 1)]
    recipe = Recipe(
        name="learning",
        about="",
        method=InstanceFcnConfig(branch_channels=64, frozen_blocks=5, decode=InstanceFcnDecodeConfig(nms_iou=0.3)),
        data=DataConfig(augment=AugmentConfig((128, 256), (1, 1), 0, 0, 0), workers=0),
        optim=OptimConfig(lr=3e-3, backbone_lr_factor=0.0, warmup_steps=0),
        training=TrainingConfig(steps=30, checkpoint_every_seconds=1000),
    )
    torch.manual_seed(0)
    untrained = evaluate_method(build_method(recipe.method), scenes, CityscapesEvaluator())["instance"]
    trained = train(recipe, scenes, tmp_path / "run", Watcher(), data_name="two made scenes")
    figures = evaluate_method(trained, scenes, CityscapesEvaluator())["instance"]
    assert untrained["ap50"] < 0.2
    assert figures["ap50"] > 0.7
    assert figures["ar"]["10"] > 0.5
