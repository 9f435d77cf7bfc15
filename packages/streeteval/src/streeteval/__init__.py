"""streeteval: the scores of Cityscapes from arrays or result files, exact and without PyTorch.

>>> import numpy as np
>>> from streeteval import CityscapesEvaluator, Instances, Truth
>>> ids = np.full((40, 60), 7)
>>> ids[5:25, 5:25] = 26000
>>> evaluator = CityscapesEvaluator()
>>> evaluator.update(Truth("street", np.where(ids > 999, ids // 1000, ids), ids), Instances.from_id_map(ids))
>>> evaluator.compute()["instance"]["per_class"]["car"]["ap"]
1.0
"""

TYPE_CHECKING = False  # as type checkers know it, without the import of typing
if TYPE_CHECKING:
    from streeteval.compare import read_records, with_records
    from streeteval.errors import InputError, InputWarning
    from streeteval.evaluator import CityscapesEvaluator
    from streeteval.instances import Instances
    from streeteval.labels import CITYSCAPES, Label, LabelSet
    from streeteval.metrics.metric import Detail, Metric, Predicted
    from streeteval.reading.truth import TruthFolder
    from streeteval.scene import Scene, Truth
    from streeteval.scoring import evaluate_folder
    from streeteval.torch_metric import CityscapesMetric

__version__ = "0.1.0"
__all__ = [
    "CITYSCAPES",
    "CityscapesEvaluator",
    "CityscapesMetric",
    "Detail",
    "InputError",
    "InputWarning",
    "Instances",
    "Label",
    "LabelSet",
    "Metric",
    "Predicted",
    "Scene",
    "Truth",
    "TruthFolder",
    "evaluate_folder",
    "read_records",
    "with_records",
]
_MODULES = {
    "compare": ("read_records", "with_records"),
    "errors": ("InputError", "InputWarning"),
    "evaluator": ("CityscapesEvaluator",),
    "instances": ("Instances",),
    "labels": ("CITYSCAPES", "Label", "LabelSet"),
    "metrics.metric": ("Detail", "Metric", "Predicted"),
    "reading.truth": ("TruthFolder",),
    "scene": ("Scene", "Truth"),
    "scoring": ("evaluate_folder",),
    "torch_metric": ("CityscapesMetric",),
}


def __getattr__(name: str) -> object:
    """Import a public name when it is first used.

    Args:
        name: One of `__all__`.

    Raises:
        AttributeError: If streeteval has no such name.
    """
    from importlib import import_module

    for place, names in _MODULES.items():
        if name in names:
            return getattr(import_module(f"streeteval.{place}"), name)
    raise AttributeError(f"module 'streeteval' has no attribute {name!r}")
