"""What every method must do: give the scene back, learn from its targets, take any size, ignore the order of ids."""

import numpy as np
import pytest
import torch

from partwise.errors import PartwiseError
from partwise.methods import CentresConfig, Fcn, FcnConfig, PartsConfig, build_method
from partwise.methods.options import InferenceOptions
from partwise.methods.parts.decode_config import DecodeConfig
from partwise.methods.parts.targets import AssignConfig
from partwise.scene import Scene
from partwise_report.fcn import ReportFcnConfig
from partwise_report.instance_fcn import InstanceFcnConfig
from partwise_report.ordering import OrderingConfig, OrdersConfig
from streeteval.evaluator import CityscapesEvaluator
from streeteval.labels import INSTANCE_FACTOR

CONFIGS = {
    "fcn32s": FcnConfig(output_stride=32, channels=16),
    "fcn16s": FcnConfig(output_stride=16, channels=16),
    "fcn8s": FcnConfig(output_stride=8, channels=16),
    "fcn_7x7": FcnConfig(output_stride=32, channels=16, fc6="7x7"),
    "fcn_holes": FcnConfig(output_stride=8, channels=16, holes=True),
    "fcn_report": ReportFcnConfig(output_stride=8, channels=16),
    "parts": PartsConfig(channels=16),
    "parts_vgg": PartsConfig(backbone="vgg16", channels=16, k=5),
    "parts_context": PartsConfig(channels=16, context=(1, 2)),
    "parts_refined": PartsConfig(channels=16, semantic_stride_px=2),
    "parts_refined_masks": PartsConfig(channels=16, semantic_stride_px=2, refine_masks=True),
    "parts_nearest": PartsConfig(channels=16, assembling="nearest"),
    "parts_one_window": PartsConfig(
        channels=16, windows=((8, 21),), assign=AssignConfig(fill_max=10.0), decode=DecodeConfig(sharpen=1.0)
    ),
    "ordering_slice": OrderingConfig(source="slice", channels=16),
    "ordering_full": OrderingConfig(source="full", channels=16),
    "ordering_committed": OrderingConfig(source="full", channels=16, merge_last=True, vertical_first=True),
    "ordering_learnt": OrderingConfig(
        source="slice", conv7="3x3", upsampling="learnt", loss_over="balanced", channels=16
    ),
    "report_mean": InstanceFcnConfig("skips", "report", "mean_l1", channels=16, branch_channels=16),
    "report_central": InstanceFcnConfig("holes", "report", "central4", "balanced", branch_channels=16),
    "report_window": InstanceFcnConfig("holes", "report", "window", "balanced", k=5, branch_channels=16),
    "report_classes": InstanceFcnConfig(
        "skips", "report", "centre", classes=(), semantic_loss_weight=1.0, channels=16, branch_channels=16
    ),
    "paper": InstanceFcnConfig(k=7, branch_channels=16),
    "order_coordinates": OrdersConfig(coordinates=True, channels=16),
    "order_slice_coordinates": OrdersConfig(coordinates=True, source="slice", channels=16),
    "order_locations": OrdersConfig("location", coordinates=True, channels=16),
    "order_hungarian": OrdersConfig("hungarian", channels=16),
    "order_colouring": OrdersConfig("colouring", maps=8, channels=16),
    "centres": CentresConfig(channels=16),
    "centres_refined": CentresConfig(channels=16, semantic_stride_px=2),
    "centres_vgg": CentresConfig(backbone="vgg16", channels=16),
}
SEMANTIC_METHODS = [
    name for name in CONFIGS if name.startswith(("fcn", "parts", "centres")) or name.endswith("classes")
]
INSTANCE_METHODS = [name for name in CONFIGS if not name.startswith("fcn")]
WITHOUT_DRAWING = [
    name for name in INSTANCE_METHODS if name.startswith(("parts", "order", "centres"))
]  # of windows at random
# IoU class, AP and AP50 that oracle outputs must exceed on the rendered scenes; a broken inverse gives almost 0.
CEILINGS = {
    "parts_one_window": (None, 0.1, 0.3),  # windows of one size for objects of 5 to 250 px
    "order_locations": ("car", 0.5, 0.5),  # two cars with their centres in one cell become one
    "order_colouring": ("car", 0.5, 0.5),  # an object in front of a car divides it in two
    "order": ("car", 0.999, 0.999),  # every pixel gives its instance: exact
    "parts_nearest": (None, 0.65, 0.8),  # two objects that use the same part of a cell: one gets a wrong mask
    "parts": (None, 0.85, 0.95),
    "centres": (None, 0.85, 0.95),
    # One position has several objects and window sizes: one objectness map cannot be right for all.
    "report_classes": ("car", 0.05, 0.12),
    # In addition, the balanced loss has its minimum at masks that are too large.
    "report_central": ("car", 0.03, 0.08),
    # A pixel lies in positive and in negative windows: with any network, almost nothing is found.
    "report_mean": ("car", 0.005, 0.02),
    "report_window": ("car", 0.0005, 0.002),
    # Windows of 168 px are for objects of 81 to 114 px: these scenes have none (test_instance_fcn.py has).
    "paper": (None, -1.0, -1.0),
}


@pytest.fixture(scope="module", params=CONFIGS)
def method(request):
    torch.manual_seed(0)
    return build_method(CONFIGS[request.param])


@pytest.fixture(scope="module", params=SEMANTIC_METHODS)
def semantic_method(request):
    torch.manual_seed(0)
    return build_method(CONFIGS[request.param])


@pytest.fixture(scope="module", params=INSTANCE_METHODS)
def instance_method(request):
    torch.manual_seed(0)
    method = build_method(CONFIGS[request.param])
    method.ceiling = next(limits for name, limits in CEILINGS.items() if request.param.startswith(name))
    return method


def batch(scenes, method):
    images = torch.stack([torch.tensor(scene.image_HW3).permute(2, 0, 1) for scene in scenes])
    return images, [method.targets(scene) for scene in scenes]


def middle(scene: Scene) -> Scene:
    """Cut 64x128 pixels out of a scene, because VGG16 is slow."""
    cut = lambda array: np.ascontiguousarray(array[48:112, 64:192])
    return Scene(scene.name, cut(scene.image_HW3), cut(scene.semantic_HW), cut(scene.instance_ids_HW))


def mirrored(scene: Scene) -> Scene:
    flip = lambda array: np.ascontiguousarray(array[:, ::-1])
    return Scene(scene.name, flip(scene.image_HW3), flip(scene.semantic_HW), flip(scene.instance_ids_HW))


def flat(outputs):
    """List every tensor of a method's outputs under its name; a list has one tensor for each grid."""
    return [t for _, value in sorted(outputs.items()) for t in (value if isinstance(value, list) else [value])]


def instance_figures(method, scenes):
    evaluator = CityscapesEvaluator()
    for scene in scenes:
        prediction = method.decode(method.oracle([method.targets(scene)]), scene.size)[0]
        evaluator.update(scene, prediction.instances, prediction.semantic_HW)
    figures = evaluator.compute()["instance"]
    only = method.ceiling[0]
    return figures if only is None else figures["per_class"][only]


def test_the_semantic_map_comes_back_exactly(semantic_method, scenes):
    method = semantic_method
    decoded = method.decode(method.oracle([method.targets(s) for s in scenes]), scenes[0].size)
    for scene, prediction in zip(scenes, decoded, strict=True):
        evaluated = method.label_set.id_to_train_id[scene.semantic_HW] != 255
        assert np.array_equal(prediction.semantic_HW[evaluated], scene.semantic_HW[evaluated])


def test_the_instances_come_back_up_to_the_ceiling(instance_method, scenes):
    figures = instance_figures(instance_method, scenes)
    assert figures["ap"] > instance_method.ceiling[1]
    assert figures["ap50"] > instance_method.ceiling[2]


def test_loss_terms_are_finite_and_reach_every_parameter(method, scenes):
    method.train()
    method.zero_grad()
    images, targets = batch([middle(scene) for scene in scenes[:2]], method)
    terms = method.loss(method(images), targets)
    assert all(term.ndim == 0 and torch.isfinite(term) for term in terms.values())
    sum(terms.values()).backward()
    zero_start = {"score"} if isinstance(method, Fcn) else set()
    for name, parameter in method.named_parameters():
        # FCN's score layer starts at zero, so that no layer below it has a gradient in the first step.
        assert parameter.grad is not None, name
        if not zero_start or name.split(".")[0] in zero_start:
            assert torch.isfinite(parameter.grad).all(), name


def test_the_oracle_outputs_have_a_far_lower_loss_than_random_ones(method, scenes):
    targets = [method.targets(scene) for scene in scenes]
    oracle = method.oracle(targets)
    generator = torch.Generator().manual_seed(0)
    noise = lambda x: [noise(y) for y in x] if isinstance(x, list) else torch.randn(x.shape, generator=generator)
    best = method.loss(oracle, targets)
    random = method.loss({key: noise(value) for key, value in oracle.items()}, targets)
    # The targets of these two contradict each other at a pixel, so the minimum is far from 0 (report 2.4.5, 2.4.7).
    contradictory = getattr(method.config, "objectness", "") in ("mean_l1", "window")
    for name in best:
        if name == "mask" and random[name] == 0:
            continue  # no object has a window
        assert best[name] < (0.8 if name == "objectness" and contradictory else 0.5) * random[name], name


def test_numbers_of_instances_mean_nothing(method, scenes):
    """If the instances of a class are renumbered, the targets stay the same except for their order."""
    scene = scenes[0]
    ids = scene.instance_ids_HW.copy()
    is_instance = ids >= INSTANCE_FACTOR
    ids[is_instance] = ids[is_instance] // INSTANCE_FACTOR * INSTANCE_FACTOR + 900 - ids[is_instance] % INSTANCE_FACTOR
    renumbered = method.targets(Scene(scene.name, scene.image_HW3, scene.semantic_HW, ids))
    for key, value in method.targets(scene).items():
        if key.startswith(("semantic", "objectness")):
            assert torch.equal(value, renumbered[key])
        elif key == "owned" or key.startswith("owner_"):  # the numbers themselves
            times = lambda index: sorted(index.unique(return_counts=True)[1].tolist())
            assert times(value) == times(renumbered[key])
        else:
            assert sorted(value.flatten().tolist()) == sorted(renumbered[key].flatten().tolist())


@pytest.mark.parametrize("instance_method", WITHOUT_DRAWING, indirect=True)
def test_a_mirrored_scene_gives_mirrored_instances(instance_method, scenes):
    """Windows with an even number of cells lie half a cell beside the mirrored ones: IoU is high, below 1."""
    ap50 = [instance_figures(instance_method, [one])["ap50"] for one in (scenes[1], mirrored(scenes[1]))]
    assert abs(ap50[0] - ap50[1]) < 0.2


@pytest.mark.parametrize("name", ["fcn8s", "parts", "parts_refined_masks", "parts_one_window", "centres_refined"])
def test_seen_with_its_mirror_image_an_image_and_its_mirror_image_say_the_same(name, scenes):
    """The first column of windows with an even number of cells has no mirror image and is left out."""
    torch.manual_seed(0)
    method = build_method(CONFIGS[name]).eval()
    for zero in (parameter for parameter in method.parameters() if not parameter.any()):
        torch.nn.init.normal_(zero, std=0.1)
    image = batch([middle(scenes[0])], method)[0]
    alone, there = method.respond(image), method.respond(image, flip=True)
    back = method.mirrored(method.respond(image.flip(-1), flip=True))
    for own, once, again in zip(*(flat(outputs) for outputs in (alone, there, back)), strict=True):
        torch.testing.assert_close(once[..., 1:], again[..., 1:], atol=1e-4, rtol=1e-4)
        assert own.shape == once.shape and not torch.allclose(own, once, atol=1e-4)


@pytest.mark.parametrize("name", ["fcn8s", "parts", "parts_one_window", "centres", "centres_refined"])
def test_mirrored_outputs_are_those_of_the_mirrored_scene(name, scenes):
    """Decoded, they give the instances of the mirrored scene: windows, parts and offsets change sides."""
    method = build_method(CONFIGS[name])
    for scene in scenes:
        oracle = method.oracle([method.targets(scene)])
        for own, twice in zip(flat(oracle), flat(method.mirrored(method.mirrored(oracle))), strict=True):
            assert torch.equal(own[..., 2:-1], twice[..., 2:-1])
        plain = method.decode(oracle, scene.size)[0]
        turned = method.decode(method.mirrored(oracle), scene.size)[0]
        assert np.array_equal(turned.semantic_HW[:, ::-1], plain.semantic_HW)
        found = [turned.instances.full_mask(i)[:, ::-1] for i in range(len(turned.instances))]
        for i in range(len(plain.instances)):
            mask = plain.instances.full_mask(i)
            if mask[:, :3].any() or mask[:, -3:].any():
                continue  # its window may be the one of the first column
            assert max((mask & other).sum() / (mask | other).sum() for other in found) > 0.9


@pytest.mark.parametrize("name", ["ordering_full", "paper", "order_hungarian"])
def test_a_method_that_has_no_mirror_image_says_so(name):
    with pytest.raises(PartwiseError, match="cannot average an image and its mirror image"):
        build_method(CONFIGS[name]).eval().predict(
            torch.zeros(1, 3, 64, 64, dtype=torch.uint8), InferenceOptions(flip=True)
        )


@pytest.mark.parametrize("size", [(1, 1), (7, 130), (64, 64), (33, 95)])
def test_any_size_goes_in_and_comes_out(method, size):
    image = torch.randint(0, 256, (1, 3, *size), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    method.eval()
    prediction = method.predict(image)[0]
    assert prediction.instances.size == size
    assert method.has_semantics == (prediction.semantic_HW is not None)
    if not method.has_semantics:
        return
    assert prediction.semantic_HW.shape == size
    assert np.isin(prediction.semantic_HW, [label.id for label in method.label_set.evaluated]).all()


def test_images_of_a_batch_do_not_touch_each_other(method, scenes):
    method.eval()
    images, _ = batch([middle(scene) for scene in scenes[:2]], method)
    with torch.inference_mode():
        both, alone = flat(method(images)), flat(method(images[1:]))
    for one, other in zip(both, alone, strict=True):
        torch.testing.assert_close(one[1], other[0], rtol=1e-3, atol=1e-4)


def test_a_scene_without_instances_has_a_loss_and_no_positive(instance_method):
    """Every weight has a gradient, even if it is 0: with several processes each waits for all gradients."""
    instance_method.train()
    instance_method.zero_grad()
    road = np.full((64, 128), 7, np.uint8)
    scene = Scene("empty", np.zeros((64, 128, 3), np.uint8), road, road.astype(np.int32))
    images, targets = batch([scene], instance_method)
    terms = instance_method.loss(instance_method(images), targets)
    assert all(torch.isfinite(term) for term in terms.values())
    if "mask" in terms:
        assert all((value != 1).all() for key, value in targets[0].items() if key.startswith("objectness"))
        assert terms["mask"] == 0
    sum(terms.values()).backward()
    assert [name for name, parameter in instance_method.named_parameters() if parameter.grad is None] == []
    prediction = instance_method.decode(instance_method.oracle(targets), scene.size)[0]
    assert len(prediction.instances) == 0
