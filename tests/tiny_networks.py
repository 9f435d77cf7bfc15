"""The smallest recipe that is still a whole one, for tests that train or need a model file."""

from dataclasses import replace
from pathlib import Path

import torch

from partwise.data.loader import DataConfig
from partwise.data.transforms import AugmentConfig
from partwise.methods import FcnConfig, PartsConfig, build_method
from partwise.training.checkpoint import save_model
from partwise.training.config import OptimConfig, Recipe, TrainingConfig

# The same in words of the command line: a quick run of the recipe demo.
QUICK = [
    "method.channels=8",
    "method.windows=[[8,8],[16,8]]",
    "backbone_weights=random",
    "data.augment.crop=[64,64]",
    "data.workers=0",
    "training.precision=no",
    "training.log_every_steps=1",
]


def tiny_recipe(method=None, **training) -> Recipe:
    """Part maps of 8 channels on random EfficientNet-Lite0, crops of 64x64, fp32, every step in metrics.jsonl."""
    return Recipe(
        name="tiny",
        about="for tests",
        method=method or PartsConfig(channels=8, windows=((8, 8), (16, 8))),
        data=DataConfig(augment=AugmentConfig(crop=(64, 64)), workers=0),
        optim=OptimConfig(warmup_steps=2),
        training=TrainingConfig(**({"steps": 2, "precision": "no", "log_every_steps": 1} | training)),
    )


def tiny_model(path: Path, semantic: bool = False) -> Path:
    """A model file with random weights at `path`: part maps, or an FCN."""
    torch.manual_seed(0)
    config = FcnConfig(channels=8) if semantic else tiny_recipe().method
    if not semantic:
        config = replace(config, decode=replace(config.decode, min_objectness=0.0, min_score=0.0, max_windows=20))
    save_model(path, build_method(config), {"recipe": "tiny", "steps": 0, "weights": "random"})
    return path


class Watcher:
    """A Monitor that remembers, and does something at a step."""

    def __init__(self, at_step: int = -1, do=lambda: None):
        self.notes, self.records, self.counts, self.at_step, self.do = [], [], [], at_step, do

    def note(self, text: str) -> None:
        self.notes.append(text)

    def progress(self, done: float, record: dict) -> None:
        self.records.append(record)
        if record["step"] == self.at_step:
            self.do()

    def count(self, what: str, done: int, total: int) -> None:
        assert 0 <= done <= total, (what, done, total)
        self.counts.append((what, done, total))

    def counted(self) -> dict[str, tuple[int, int]]:
        """How far each count got, and to what total."""
        return {what: (done, total) for what, done, total in self.counts}
