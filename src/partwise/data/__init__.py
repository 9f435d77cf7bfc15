"""Data: what a data set is, its formats, how samples are drawn and changed, and rendered streets."""

from typing import TYPE_CHECKING

from partwise.data.dataset import DATASETS, Dataset, DatasetFormat, open_dataset
from partwise.data.frame import FrameContent, Survey
from partwise.data.source import DataSource
from streeteval.lazy import lazy_names
from streeteval.scene import labels_of

if TYPE_CHECKING:
    from partwise.data.loader import DataConfig
    from partwise.data.streets.render import Streets
    from partwise.data.streets.sequence import StreetSequence, render_sequence
    from partwise.data.transforms import AugmentConfig

__all__ = [
    "DATASETS",
    "AugmentConfig",
    "DataConfig",
    "DataSource",
    "Dataset",
    "DatasetFormat",
    "FrameContent",
    "StreetSequence",
    "Streets",
    "Survey",
    "labels_of",
    "open_dataset",
    "render_sequence",
]

__getattr__ = lazy_names(
    __name__,
    {
        "AugmentConfig": "partwise.data.transforms",
        "DataConfig": "partwise.data.loader",
        "StreetSequence": "partwise.data.streets.sequence",
        "Streets": "partwise.data.streets.render",
        "render_sequence": "partwise.data.streets.sequence",
    },
)
