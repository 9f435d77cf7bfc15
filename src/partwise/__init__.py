"""partwise: every instance in a street photo with fully convolutional networks.

>>> import partwise
>>> result = partwise.load()("photo.png")       # doctest: +SKIP
>>> result.labels, result.scores, result.boxes  # doctest: +SKIP
>>> result.save("out")                          # doctest: +SKIP
"""

from partwise.errors import PartwiseError
from partwise.instances import Instances
from partwise.labels import CITYSCAPES, LabelSet
from partwise.scene import Prediction, Scene

__version__ = "0.1.0"
__all__ = ["CITYSCAPES", "Instances", "LabelSet", "PartwiseError", "Prediction", "Result", "Scene", "Segmenter", "load"]


def __getattr__(name: str):
    """`load`, `Segmenter` and `Result` bring torch with them and are imported when first asked for."""
    if name in ("load", "Segmenter", "Result"):
        from partwise import segmenter

        return getattr(segmenter, name)
    raise AttributeError(f"module 'partwise' has no attribute {name!r}")
