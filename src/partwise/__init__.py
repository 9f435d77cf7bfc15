"""partwise: every instance in a street photo with fully convolutional networks.

>>> import partwise
>>> result = partwise.load()("photo.png")       # doctest: +SKIP
>>> result.labels, result.scores, result.boxes  # doctest: +SKIP
>>> result.save("out")                          # doctest: +SKIP
"""

TYPE_CHECKING = False  # as type checkers know it, without the import of typing
if TYPE_CHECKING:
    from partwise.errors import PartwiseError, PartwiseWarning
    from partwise.instances import Instances
    from partwise.labels import CITYSCAPES, LabelSet
    from partwise.scene import Prediction, Scene
    from partwise.segmenter import Result, Segmenter, load

__version__ = "0.1.0"
__all__ = [
    "CITYSCAPES",
    "Instances",
    "LabelSet",
    "PartwiseError",
    "PartwiseWarning",
    "Prediction",
    "Result",
    "Scene",
    "Segmenter",
    "load",
]
_MODULES = {
    "errors": ("PartwiseError", "PartwiseWarning"),
    "instances": ("Instances",),
    "labels": ("CITYSCAPES", "LabelSet"),
    "scene": ("Prediction", "Scene"),
    "segmenter": ("Result", "Segmenter", "load"),
}


def __getattr__(name: str):
    """Each name is imported when it is first asked for: NumPy and torch take seconds, and the program has to answer."""
    from importlib import import_module

    for module, names in _MODULES.items():
        if name in names:
            return getattr(import_module(f"partwise.{module}"), name)
    raise AttributeError(f"module 'partwise' has no attribute {name!r}")
