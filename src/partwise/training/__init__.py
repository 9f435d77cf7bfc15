"""Training: the configuration of an experiment, the loop, checkpoints, and model files."""

from typing import TYPE_CHECKING

from streeteval.lazy import lazy_names

if TYPE_CHECKING:
    from partwise.training.config import OptimConfig, Recipe, TrainingConfig, override
    from partwise.training.loop import train
    from partwise.training.run import Monitor

__all__ = ["Monitor", "OptimConfig", "Recipe", "TrainingConfig", "override", "train"]

__getattr__ = lazy_names(
    __name__,
    {
        "Monitor": "partwise.training.run",
        "OptimConfig": "partwise.training.config",
        "Recipe": "partwise.training.config",
        "TrainingConfig": "partwise.training.config",
        "override": "partwise.training.config",
        "train": "partwise.training.loop",
    },
)
