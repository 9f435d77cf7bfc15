"""Ceilings of part maps side by side: which window, stride, k, assembling and margin can serve small objects at all.

Every setting is decoded from perfect outputs on the same frames; no network is run.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch

from partwise.errors import PartwiseError
from partwise.evaluation.ceiling import pad_scene, seen_scene
from partwise.methods import Method, MethodConfig, PartsConfig, build_method
from partwise.methods.parts.targets import AssignConfig
from partwise.scene import Prediction, Scene, Scenes
from partwise_report.instance_fcn import InstanceFcnConfig
from streeteval.evaluator import CityscapesEvaluator
from streeteval.instances import Instances
from streeteval.labels import LabelSet
from streeteval.scene import labels_of

ANY_SIZE = AssignConfig(fill_max=1000.0)  # one grid of windows has to take every object
PLAIN, CUT = "plain", "cut"
CLASS_NAME = "car"  # the class that the report works on


@dataclass(frozen=True)
class Setting:
    """One row of the table.

    Attributes:
        group: Whose setting it is.
        name: What is different in it.
        config: Of the method.
        enlarged: The frame is seen at so many times its size, and the masks are brought back: the report and the paper
            mean full-size frames.
    """

    group: str
    name: str
    config: MethodConfig
    enlarged: int = 1


def one_window(
    stride_px: int, cells: int, k: int = 3, assembling: Literal["bilinear", "nearest"] = "nearest"
) -> PartsConfig:
    """One grid of windows for objects of every size, as in InstanceFCN, section 3, on one size of the image."""
    return PartsConfig(windows=((stride_px, cells),), k=k, assembling=assembling, assign=ANY_SIZE)


def scaled(*windows: tuple[int, int], fill_max: float = 0.8, **fields: Any) -> PartsConfig:
    """Our windows that scale with the object."""
    return PartsConfig(windows=windows, assign=AssignConfig(fill_max=fill_max), **fields)


OURS = PartsConfig().windows
# Windows of the report at inference, for frames of twice the size: the sizes of cars double, the margin does not.
MARGIN_PX = 64
REPORT = InstanceFcnConfig(windows="report")
REPORT = replace(
    REPORT, sizes_px=tuple((2 * height - MARGIN_PX, 2 * width - MARGIN_PX) for height, width in REPORT.sizes_px)
)
SETTINGS = (
    Setting("report", "box + 32 px, stride 8, k 3, nearest, objectness at the centre", REPORT, enlarged=2),
    Setting("report", "objectness over the whole window (2.4.7)", replace(REPORT, objectness="window"), enlarged=2),
    Setting("report", "half-size frames", InstanceFcnConfig(windows="report")),
    Setting("paper", "21 cells, stride 8, k 3, nearest, objects of its scale", InstanceFcnConfig(), enlarged=2),
    Setting("paper", "21 cells, stride 8, k 3, nearest, every object", one_window(4, 21)),
    Setting("paper", "k 5", one_window(4, 21, k=5)),
    Setting("paper", "k 7", one_window(4, 21, k=7)),
    Setting("paper", "bilinear", one_window(4, 21, assembling="bilinear")),
    Setting("paper", "half-size frames", one_window(8, 21)),
    Setting("paper", "half-size frames, bilinear", one_window(8, 21, assembling="bilinear")),
    Setting("ours", "8 and 16 cells, strides 4 to 32, k 3, bilinear, fill .8", scaled(*OURS)),
    Setting("ours", "nearest", scaled(*OURS, assembling="nearest")),
    Setting("ours", "k 5", scaled(*OURS, k=5)),
    Setting("ours", "k 7", scaled(*OURS, k=7)),
    Setting("ours", "fill .5", scaled(*OURS, fill_max=0.5)),
    Setting("ours", "fill 1", scaled(*OURS, fill_max=1.0)),
    Setting("ours", "12 cells alone", scaled((4, 12), (8, 12), (16, 12), (32, 12))),
    Setting("ours", "21 cells alone", scaled((4, 21), (8, 21), (16, 21), (32, 21))),
    Setting("ours", "strides 8 to 32", scaled((8, 8), (8, 16), (16, 16), (32, 16))),
    Setting("ours", "strides 2 to 32", scaled((2, 8), (2, 16), (4, 16), (8, 16), (16, 16), (32, 16))),
)


def sweep(
    scenes: Scenes,
    settings: Sequence[Setting] = SETTINGS,
    *,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> dict:
    """The ceiling of every setting.

    returns  {"images", "seconds", "rows": [{"group", "name", "enlarged", "plain": scores, "cut": scores}, ...]} with
             scores {"ap", "ap50", "car", "car50", "by_size": {size: ap}, "car_by_size": {size: ap}}, None where a
             method has no semantic map; "plain" decodes the assembled masks alone, for "cut" the log-odds of the true
             semantic map are added (`DecodeConfig.sharpen`)
    """
    begin = time.perf_counter()
    label_set = labels_of(scenes)
    require_cars(label_set)
    methods = [_variants(setting.config, label_set) for setting in settings]
    evaluators = [{name: CityscapesEvaluator(label_set) for name in variants} for variants in methods]
    with torch.inference_mode():
        for i in range(len(scenes)):
            scene = scenes[i]
            for setting, variants, own in zip(settings, methods, evaluators, strict=True):
                for name, prediction in _decoded(variants, scene, setting.enlarged).items():
                    own[name].update(scene, prediction.instances)
            progress(i + 1, len(scenes))
    rows = []
    for setting, own in zip(settings, evaluators, strict=True):
        scores = {name: _scores(own[name]) if name in own else None for name in (PLAIN, CUT)}
        rows.append({"group": setting.group, "name": setting.name, "enlarged": setting.enlarged} | scores)
    return {"images": len(scenes), "seconds": round(time.perf_counter() - begin, 2), "rows": rows}


def require_cars(label_set: LabelSet) -> None:
    """Raises PartwiseError where no class is called "car", which the report is about."""
    if CLASS_NAME not in {label.name for label in label_set.things}:
        names = ", ".join(label.name for label in label_set.things)
        raise PartwiseError(
            f"label set {label_set.name}: no class {CLASS_NAME!r} with instances ({names}), which the report is about: "
            "map one to it in a label file"
        )


def _variants(config: MethodConfig, label_set: LabelSet) -> dict[str, Method]:
    """The method with and without the semantic cut, where it has one; all with the same oracle outputs."""
    if not isinstance(config, PartsConfig):
        return {PLAIN: build_method(config, label_set).eval()}
    plain = replace(config, decode=replace(config.decode, sharpen=0.0))
    return {PLAIN: build_method(plain, label_set).eval(), CUT: build_method(config, label_set).eval()}


def _decoded(variants: dict[str, Method], scene: Scene, enlarged: int) -> dict[str, Prediction]:
    first = next(iter(variants.values()))
    size = (scene.size[0] * enlarged, scene.size[1] * enlarged)
    seen = pad_scene(seen_scene(scene, size), first.size_multiple)
    oracle = first.oracle([first.targets(seen)])
    return {name: _reduce(method.decode(oracle, size)[0], enlarged) for name, method in variants.items()}


def _reduce(prediction: Prediction, times: int) -> Prediction:
    """Every `times`-th pixel of each mask."""
    if times == 1:
        return prediction
    found = prediction.instances
    masks = [found.full_mask(i)[::times, ::times] for i in range(len(found))]
    height, width = found.size
    size = -(-height // times), -(-width // times)
    return Prediction(Instances.from_masks(found.labels.tolist(), found.scores.tolist(), masks, size))


def _scores(evaluator: CityscapesEvaluator) -> dict:
    instance = evaluator.compute()["instance"]
    car = instance["per_class"][CLASS_NAME]
    by_size = instance["by_size"]
    return {
        "ap": instance["ap"],
        "ap50": instance["ap50"],
        "car": car["ap"],
        "car50": car["ap50"],
        "by_size": {size: scores["ap"] for size, scores in by_size.items()},
        "car_by_size": {size: scores["per_class"][CLASS_NAME]["ap"] for size, scores in by_size.items()},
    }
