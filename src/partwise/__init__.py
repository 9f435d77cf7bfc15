"""partwise: every instance in a street photo with fully convolutional networks.

>>> import partwise
>>> result = partwise.load()("photo.png")       # doctest: +SKIP
>>> result.labels, result.scores, result.boxes  # doctest: +SKIP
>>> result.save("out")                          # doctest: +SKIP
"""

TYPE_CHECKING = False  # as type checkers know it, without the import of typing
if TYPE_CHECKING:
    from partwise.api import Comparison, Evaluation, compare, evaluate, train
    from partwise.data.cityscapes import CityscapesFolder
    from partwise.data.dataset import Dataset, open_dataset
    from partwise.data.streets.render import Streets
    from partwise.errors import PartwiseError, PartwiseWarning
    from partwise.methods.options import InferenceOptions
    from partwise.result import Result
    from partwise.scene import Prediction, Scene
    from partwise.segmenter import Segmenter, load
    from streeteval.evaluator import CityscapesEvaluator
    from streeteval.instances import Instances
    from streeteval.labels import CITYSCAPES, Label, LabelSet

__version__ = "0.1.0"
__all__ = [
    "CITYSCAPES",
    "CityscapesEvaluator",
    "CityscapesFolder",
    "Comparison",
    "Dataset",
    "Evaluation",
    "InferenceOptions",
    "Instances",
    "Label",
    "LabelSet",
    "PartwiseError",
    "PartwiseWarning",
    "Prediction",
    "Result",
    "Scene",
    "Segmenter",
    "Streets",
    "compare",
    "evaluate",
    "load",
    "open_dataset",
    "train",
]
_MODULES = {
    "partwise.api": ("Comparison", "Evaluation", "compare", "evaluate", "train"),
    "partwise.data.cityscapes": ("CityscapesFolder",),
    "partwise.data.dataset": ("Dataset", "open_dataset"),
    "partwise.data.streets.render": ("Streets",),
    "partwise.errors": ("PartwiseError", "PartwiseWarning"),
    "streeteval.evaluator": ("CityscapesEvaluator",),
    "streeteval.instances": ("Instances",),
    "streeteval.labels": ("CITYSCAPES", "Label", "LabelSet"),
    "partwise.methods.options": ("InferenceOptions",),
    "partwise.result": ("Result",),
    "partwise.scene": ("Prediction", "Scene"),
    "partwise.segmenter": ("Segmenter", "load"),
}


def __getattr__(name: str) -> object:
    """Import a public name when it is first used: NumPy and torch take seconds, and the program has to answer at once.

    Args:
        name: One of `__all__`.

    Raises:
        AttributeError: If partwise has no such name.
    """
    from importlib import import_module

    for module, names in _MODULES.items():
        if name in names:
            return getattr(import_module(module), name)
    raise AttributeError(f"module 'partwise' has no attribute {name!r}")
