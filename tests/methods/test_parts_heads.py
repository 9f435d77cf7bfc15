"""Cheap heads and larger windows of part maps."""

import numpy as np
import pytest
import torch

from partwise.backbones.fold import fold_batch_norm
from partwise.methods import PartMaps, PartsConfig, build_method
from partwise.methods.distil import check_teacher
from partwise.scene import Scene
from partwise.training.config import method_from_dict, method_to_dict
from streeteval.labels import CITYSCAPES

WINDOWS = ((4, 8), (4, 16), (8, 16))
LARGER = (*WINDOWS, (16, 16), (32, 16), (64, 16))


def config(**changes) -> PartsConfig:
    return PartsConfig(channels=16, semantic_stride_px=2, refine_masks=True, **changes)


def one_object(height: int, width: int, size=(256, 512)) -> Scene:
    """A scene with a bus of this size in its middle."""
    ids = np.full(size, 7, np.int32)
    y, x = (size[0] - height) // 2, (size[1] - width) // 2
    ids[y : y + height, x : x + width] = 28000
    return Scene("bus", np.zeros((*size, 3), np.uint8), np.where(ids >= 1000, 28, ids).astype(np.uint8), ids)


@pytest.mark.parametrize("windows", [WINDOWS, LARGER])
def test_every_layer_of_a_separable_network_learns(windows, scenes):
    torch.manual_seed(0)
    method = PartMaps(config(heads="separable", windows=windows, refiner_channels=8)).train()
    image = torch.tensor(scenes[0].image_HW3).permute(2, 0, 1)[None]
    scene = scenes[0]
    terms = method.loss(method(image), [method.targets(scene)])
    assert all(torch.isfinite(term) for term in terms.values())
    sum(terms.values()).backward()
    heads = [name for name, one in method.named_parameters() if not name.startswith("backbone") and one.grad is None]
    assert heads == []


def test_separable_heads_need_a_fraction_of_the_weights_and_give_the_same_outputs():
    dense, cheap = (PartMaps(config(heads=heads)).eval() for heads in ("dense", "separable"))
    image = torch.zeros(1, 3, 64, 128, dtype=torch.uint8)
    shapes = [
        {
            key: [tuple(one.shape) for one in maps] if isinstance(maps, list) else tuple(maps.shape)
            for key, maps in out.items()
        }
        for out in (dense(image), cheap(image))
    ]
    assert shapes[0] == shapes[1]
    sizes = [
        sum(one.numel() for name, one in method.named_parameters() if name.startswith(("tower", "pyramid.smooth")))
        for method in (dense, cheap)
    ]
    assert sizes[1] < 0.5 * sizes[0]


def test_a_file_without_the_new_fields_has_dense_heads():
    values = method_to_dict(PartsConfig())
    for name in ("heads", "refiner_channels"):
        del values[name]
    del values["decode"]["view_px"]
    old = method_from_dict(values)
    assert old == PartsConfig()
    assert set(PartMaps(old).state_dict()) == set(PartMaps(PartsConfig()).state_dict())


def test_windows_beyond_the_backbone_need_a_larger_multiple_and_get_a_map():
    method = PartMaps(config(windows=LARGER)).eval()
    assert method.size_multiple == 64 and max(method.pyramid.channels) == 64
    outputs = method.respond(torch.zeros(1, 3, 70, 130, dtype=torch.uint8))
    assert outputs["objectness"][-1].shape[-2:] == (2, 3)


@pytest.mark.parametrize("side", [60, 240, 400, 500])
def test_an_object_that_fills_the_image_is_decoded_whole_from_the_truth(side):
    """The largest window extends beyond the image; the mask must not end before the object does."""
    method = fold_batch_norm(PartMaps(config(windows=LARGER)))
    scene = one_object(min(side, 250), side)
    found = method.decode(method.oracle([method.targets(scene)]), scene.size)[0].instances
    best = found[int(found.scores.argmax())]
    truth = scene.instances.full_mask(0)
    mask = best.full_mask(0)
    assert (mask & truth).sum() / (mask | truth).sum() > 0.9


def test_a_teacher_may_lack_the_largest_windows_and_no_others():
    teacher, student = (build_method(PartsConfig(channels=8, windows=one), CITYSCAPES) for one in (WINDOWS, LARGER))
    check_teacher(student, teacher)
    image = torch.zeros(1, 3, 64, 128, dtype=torch.uint8)
    own, taught = student(image), teacher(image)
    terms = student.distillation(own, taught)
    assert terms.keys() == {"taught_semantic", "taught_objectness", "taught_parts"}
    same = student.distillation(own, {key: own[key][:3] if isinstance(own[key], list) else own[key] for key in own})
    assert float(same["taught_parts"].detach()) == 0
    with pytest.raises(Exception, match="only the largest windows of the recipe may be new"):
        check_teacher(teacher, student)
