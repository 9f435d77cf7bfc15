"""The baseline: true detections give the instances back, losses reach every weight, and any size is predicted."""

import numpy as np
import pytest
import torch

from partwise.methods import MaskRcnnConfig, build_method
from partwise.scene import Scene
from streeteval.evaluator import CityscapesEvaluator
from streeteval.labels import INSTANCE_FACTOR


@pytest.fixture(scope="module")
def method():
    torch.manual_seed(0)
    return build_method(MaskRcnnConfig(channels=16))


def batch(scenes, method):
    images = torch.stack([torch.tensor(scene.image_HW3).permute(2, 0, 1) for scene in scenes])
    return images, [method.targets(scene) for scene in scenes]


def test_true_detections_give_the_scene_back_up_to_28_cells_a_side(method, scenes):
    evaluator = CityscapesEvaluator()
    for scene in scenes:
        evaluator.update(scene, method.decode(method.oracle([method.targets(scene)]), scene.size)[0].instances)
    figures = evaluator.compute()["instance"]
    assert figures["ap50"] > 0.99
    assert 0.7 < figures["ap"] < 1.0  # spokes and legs are finer than a cell


def test_boxes_come_back_to_a_pixel_and_labels_exactly(method):
    ids = np.full((96, 128), 7)
    ids[20:60, 30:90], ids[70:80, 100:112] = 26000, 24000
    image = np.zeros((96, 128, 3), np.uint8)
    semantic = np.where(ids >= INSTANCE_FACTOR, ids // INSTANCE_FACTOR, ids).astype(np.uint8)
    scene = Scene("boxes", image, semantic, ids.astype(np.int32))
    found = method.decode(method.oracle([method.targets(scene)]), scene.size)[0].instances
    truth = {26: (30, 20, 90, 60), 24: (100, 70, 112, 80)}
    assert sorted(found.labels.tolist()) == sorted(truth)
    for label, box in zip(found.labels.tolist(), found.boxes.tolist(), strict=True):
        assert np.abs(np.subtract(box, truth[label])).max() <= 1


def test_boxes_are_as_fine_under_autocast_as_in_fp32(method, monkeypatch):
    """bf16 has 8 bits: beyond 512 px it knows only every fourth pixel. The maps are the same here, in bf16 and fp32."""
    image = torch.randint(0, 256, (1, 3, 64, 1024), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    method.eval()
    with torch.inference_mode():
        maps = method.pyramid(method.backbone(method.normalise(image)))
        monkeypatch.setattr(method.pyramid, "forward", lambda *_: maps)
        fine = method(image)
        with torch.autocast("cpu", torch.bfloat16):
            found = method(image)
    assert len(fine["boxes"][0]) and found["boxes"][0].dtype == torch.float32
    assert all(torch.equal(found[key][0], fine[key][0]) for key in fine)


def test_losses_are_finite_and_reach_every_parameter(method, scenes):
    method.train()
    images, targets = batch(scenes[:1], method)
    terms = method.loss(method(images), targets)
    assert set(terms) == {"loss_objectness", "loss_rpn_box_reg", "loss_classifier", "loss_box_reg", "loss_mask"}
    sum(terms.values()).backward()
    for name, parameter in method.named_parameters():
        assert parameter.grad is not None and torch.isfinite(parameter.grad).all(), name
    method.zero_grad()


def test_a_frame_without_instances_is_learnt_from(method):
    ids = np.full((64, 64), 7, np.int32)
    scene = Scene("empty", np.zeros((64, 64, 3), np.uint8), ids.astype(np.uint8), ids)
    method.train()
    images, targets = batch([scene], method)
    assert len(targets[0]["labels"]) == 0
    assert all(torch.isfinite(term) for term in method.loss(method(images), targets).values())


@pytest.mark.parametrize("size", [(64, 96), (50, 75), (33, 1)])
def test_any_size_is_predicted_at_its_own_size(method, size):
    method.eval()
    prediction = method.predict(torch.randint(0, 255, (1, 3, *size), dtype=torch.uint8))[0]
    assert prediction.instances.size == size


def test_objects_below_the_least_area_and_groups_are_no_targets(method):
    ids = np.full((64, 64), 26, np.int32)  # a group of cars that fills the frame
    ids[10:14, 10:14], ids[30:50, 30:50] = 26000, 26001
    semantic = np.full((64, 64), 26, np.uint8)
    targets = method.targets(Scene("small", np.zeros((64, 64, 3), np.uint8), semantic, ids))
    assert targets["boxes"].tolist() == [[30.0, 30.0, 50.0, 50.0]]
    assert targets["masks"].sum() == 400
