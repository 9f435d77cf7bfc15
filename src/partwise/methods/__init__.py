"""Methods of instance segmentation, each in its own file or folder. `build_method` makes one from its configuration."""

from typing import TYPE_CHECKING

from streeteval.lazy import lazy_names

if TYPE_CHECKING:
    from partwise.methods.capabilities import (
        ClassRows,
        Distillable,
        Explainable,
        Explainer,
        ExplainsOften,
        Explanation,
        HasClassHeads,
        HasPyramid,
        HasWindows,
        Mirrorable,
        Predicts,
        WindowTruth,
        explainer_of,
        usable_objects,
    )
    from partwise.methods.centres import Centres, CentresConfig
    from partwise.methods.fcn import Fcn, FcnConfig
    from partwise.methods.mapped import MappedMethod
    from partwise.methods.mask_rcnn import MaskRcnn, MaskRcnnConfig
    from partwise.methods.method import Method, MethodConfig, Outputs, Targets, image_batch, require_mirrorable
    from partwise.methods.parts import PartMaps, PartsConfig
    from partwise.methods.registry import METHODS, build_method, method_name

__all__ = [
    "METHODS",
    "Centres",
    "CentresConfig",
    "ClassRows",
    "Distillable",
    "Explainable",
    "Explainer",
    "ExplainsOften",
    "Explanation",
    "Fcn",
    "FcnConfig",
    "HasClassHeads",
    "HasPyramid",
    "HasWindows",
    "MappedMethod",
    "MaskRcnn",
    "MaskRcnnConfig",
    "Method",
    "MethodConfig",
    "Mirrorable",
    "Outputs",
    "PartMaps",
    "PartsConfig",
    "Predicts",
    "Targets",
    "WindowTruth",
    "build_method",
    "explainer_of",
    "image_batch",
    "method_name",
    "require_mirrorable",
    "usable_objects",
]

__getattr__ = lazy_names(
    __name__,
    {
        "Centres": "partwise.methods.centres",
        "CentresConfig": "partwise.methods.centres",
        "ClassRows": "partwise.methods.capabilities",
        "Distillable": "partwise.methods.capabilities",
        "Explainable": "partwise.methods.capabilities",
        "Explainer": "partwise.methods.capabilities",
        "Explanation": "partwise.methods.capabilities",
        "ExplainsOften": "partwise.methods.capabilities",
        "Fcn": "partwise.methods.fcn",
        "FcnConfig": "partwise.methods.fcn",
        "HasClassHeads": "partwise.methods.capabilities",
        "HasPyramid": "partwise.methods.capabilities",
        "HasWindows": "partwise.methods.capabilities",
        "METHODS": "partwise.methods.registry",
        "MappedMethod": "partwise.methods.mapped",
        "MaskRcnn": "partwise.methods.mask_rcnn",
        "MaskRcnnConfig": "partwise.methods.mask_rcnn",
        "Method": "partwise.methods.method",
        "MethodConfig": "partwise.methods.method",
        "Mirrorable": "partwise.methods.capabilities",
        "Predicts": "partwise.methods.capabilities",
        "Outputs": "partwise.methods.method",
        "PartMaps": "partwise.methods.parts",
        "PartsConfig": "partwise.methods.parts",
        "Targets": "partwise.methods.method",
        "WindowTruth": "partwise.methods.capabilities",
        "build_method": "partwise.methods.registry",
        "explainer_of": "partwise.methods.capabilities",
        "image_batch": "partwise.methods.method",
        "method_name": "partwise.methods.registry",
        "require_mirrorable": "partwise.methods.method",
        "usable_objects": "partwise.methods.capabilities",
    },
)
