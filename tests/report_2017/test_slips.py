"""Each slip of the report's code, put back alone, does what it is said to do, and nothing happens without one."""

from dataclasses import fields, replace

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from partwise.errors import PartwiseError
from partwise.methods import FcnConfig, build_method
from partwise.methods.parts.targets import NEGATIVE
from partwise.scene import Scene
from partwise.training.checkpoint import load_matching, load_model, save_model
from partwise_report.instance_fcn import InstanceFcnConfig
from partwise_report.instance_fcn.targets import window_targets
from partwise_report.slipped_parts import SlippedPartsConfig
from partwise_report.slips import Slips

INSTANCE_FCN = InstanceFcnConfig("holes", "report", "window", branch_channels=8)
PARTS = SlippedPartsConfig(channels=16, windows=((4, 8), (8, 16)))
OF_PARTS = {
    *("objectness_all_ones", "zero_start", "lost_conv5_1"),
    *("no_border_windows", "sparse_inference", "no_mean_subtraction"),
}


def with_slip(config, **slips):
    torch.manual_seed(0)
    return build_method(replace(config, slips=Slips(**slips)))


def made_scene(*boxes, size=(96, 160)) -> Scene:
    ids = np.full(size, 7, np.int32)
    image = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    for number, (x0, y0, x1, y1) in enumerate(boxes):
        ids[y0:y1, x0:x1] = 26000 + number
        image[y0:y1, x0:x1] //= 4
    return Scene("made", image, np.where(ids >= 1000, 26, ids).astype(np.uint8), ids)


SCENE = made_scene((60, 30, 100, 60), (0, 20, 30, 50))


def steps(method, count, scene=SCENE):
    """A few steps of Adam on one scene."""
    image, targets = torch.tensor(scene.image_HW3).permute(2, 0, 1)[None], [method.targets(scene)]
    optimiser = torch.optim.Adam([p for n, p in method.named_parameters() if not n.startswith("backbone.")], lr=1e-3)
    for _ in range(count):
        optimiser.zero_grad()
        sum(method.loss(method(image), targets).values()).backward()
        optimiser.step()
    return method


def test_all_are_off_by_default():
    assert not any(getattr(Slips(), slip.name) for slip in fields(Slips))
    assert InstanceFcnConfig().slips == SlippedPartsConfig().slips == Slips()


@pytest.mark.parametrize("config", [INSTANCE_FCN, PARTS], ids=["instance_fcn", "parts"])
def test_objectness_all_ones_leaves_no_negative(config):
    truth, constant = (with_slip(config, objectness_all_ones=on).targets(SCENE) for on in (False, True))
    for key in truth:
        if key.startswith("objectness"):
            assert (truth[key] == NEGATIVE).any()
            assert (constant[key] != NEGATIVE).all()
            assert torch.equal(constant[key][truth[key] != NEGATIVE], truth[key][truth[key] != NEGATIVE])
        else:
            assert torch.equal(truth[key], constant[key])


@pytest.mark.parametrize("config", [INSTANCE_FCN, PARTS], ids=["instance_fcn", "parts"])
def test_units_that_start_at_zero_stay_identical(config):
    """The first layer of both branches: one row a hidden unit. Rank 1 for ever, as the report's figure 2.12 looks."""
    for zero in (False, True):
        method = steps(with_slip(replace(config, frozen_blocks=5 if config is INSTANCE_FCN else 0), zero_start=zero), 4)
        for branch in (method.parts_branch, method.objectness_branch):
            first = next(module for module in branch.modules() if isinstance(module, torch.nn.Conv2d))
            rows = first.weight.detach().flatten(1)
            spread = (rows - rows[:1]).abs().max()
            assert rows.abs().max() > (0 if zero and config is PARTS else 1e-3)
            assert spread < 1e-5 if zero else spread > 1e-2


def random_vgg(path):
    features = build_method(FcnConfig(channels=8)).backbone.features
    save_file({f"features.{name}": value.contiguous() for name, value in features.state_dict().items()}, path)
    return features.state_dict()


@pytest.mark.parametrize("config", [INSTANCE_FCN, replace(PARTS, backbone="vgg16")], ids=["instance_fcn", "parts"])
def test_conv5_1_is_lost_when_weights_are_loaded_and_only_then(config, tmp_path):
    method = with_slip(config, lost_conv5_1=True)
    state = random_vgg(tmp_path / "vgg.safetensors")
    assert "without conv5_1" in method.backbone.load_pretrained(str(tmp_path / "vgg.safetensors"))
    lost = method.backbone.features[24].renamed
    assert (lost.weight == 0).all() and (lost.bias == 0.1).all()
    for name, value in state.items():
        if not name.startswith("24."):
            assert torch.equal(method.backbone.features.state_dict()[name], value)
    load_matching(method, build_method(FcnConfig(output_stride=8, channels=8)).state_dict())
    assert (lost.weight == 0).all() and (method.backbone.features[26].weight != state["26.weight"]).any()
    torch.nn.init.normal_(lost.weight)  # what it learns later is its own
    save_model(tmp_path / "model.safetensors", method, {})
    again, _ = load_model(tmp_path / "model.safetensors")
    assert torch.equal(again.backbone.features[24].renamed.weight, lost.weight)


def test_conv5_1_can_only_be_lost_by_vgg16():
    with pytest.raises(PartwiseError, match="has no conv5_1: give backbone=vgg16"):
        with_slip(PARTS, lost_conv5_1=True)


def reach_of_conv5(method) -> int:
    """Cells of conv5_3 that one cell of pool4's input touches, along a row."""
    features = method.backbone.features
    for index in (24, 26, 28):
        torch.nn.init.ones_(features[index].weight)
        torch.nn.init.zeros_(features[index].bias)
    point = torch.zeros(1, 512, 31, 31)
    point[..., 15, 15] = 1.0
    with torch.no_grad():
        for layer in features[23:30]:
            point = layer(point)
    assert point.shape[-2:] == (31, 31)
    columns = (point[0, 0] > 0).any(dim=0).nonzero()
    return int(columns.max() - columns.min() + 1)


def test_one_dilated_layer_shrinks_what_conv5_sees():
    right, slipped = with_slip(INSTANCE_FCN), with_slip(INSTANCE_FCN, one_dilated_layer=True)
    assert reach_of_conv5(right) == 1 + 2 + 3 * 4  # pool4, and three convolutions dilated by 2
    assert reach_of_conv5(slipped) == 1 + 4 + 2 * 2
    assert list(slipped.state_dict()) == list(right.state_dict())


@pytest.mark.parametrize("kind", ["report", "paper"])
def test_wrong_negatives_lie_on_a_diagonal_and_some_hold_their_object_whole(kind):
    scene = made_scene((200, 100, 296, 160), size=(256, 512))
    targets = window_targets(scene, InstanceFcnConfig(windows=kind, slips=Slips(wrong_negatives=True)))
    boxes = targets["boxes"][targets["object"] < 0].numpy()
    shift = (boxes[:, :2] + boxes[:, 2:]) * 4.0 - np.array([130, 248])
    assert len(boxes) > 100
    assert (np.abs(shift[:, 0] - shift[:, 1]) <= 8).all()  # equal but for whole cells
    reach = np.abs(shift).max(axis=1)
    assert reach.min() >= 16 - 4 and reach.max() > 100  # 4 px: half a cell; the image ends at 130
    assert 0.02 < (reach < 32).mean() < 0.3  # of shifts that are drawn evenly up to there
    whole = (boxes[:, :2] * 8 <= [100, 200]).all(axis=1) & (boxes[:, 2:] * 8 >= [160, 296]).all(axis=1)
    assert (whole & (reach < 32)).any()


@pytest.mark.parametrize(
    ("config", "size"),
    [(INSTANCE_FCN, 40), (replace(INSTANCE_FCN, windows="paper"), 96), (PARTS, 40)],
    ids=["report", "paper", "parts"],
)
def test_objects_near_the_border_get_no_window(config, size):
    inside, border = (200, 110, 200 + size, 150), (4, 110, 4 + size, 150)
    scene = made_scene(inside, border, size=(256, 512))
    held = []
    for slip in (False, True):
        targets = with_slip(config, no_border_windows=slip).targets(scene)
        if config is PARTS:
            centres = torch.cat([targets[f"centres_{i}"][:, 1] * w for i, w in enumerate((4, 8))])
        else:
            positive = targets["object"] >= 0
            centres = (targets["boxes"][positive][:, 1] + targets["boxes"][positive][:, 3]) * 4
        held.append({"border" if x < 150 else "inside" for x in centres.tolist()})
    assert held == [{"inside", "border"}, {"inside"}]


def test_sparse_inference_looks_at_every_29th_cell_only():
    for config in (INSTANCE_FCN, replace(INSTANCE_FCN, windows="paper")):
        method = with_slip(config, sparse_inference=True)
        for cells in method.decoder.sizes:
            boxes, _ = method.decoder.best(torch.zeros(64, 128), cells)
            assert 0 < len(boxes) < 64 * 128 / 29**2 + 64
            assert (boxes[:, :2] % 29 == 0).all()
    parts = with_slip(PARTS, sparse_inference=True)
    found = parts.decoder.best_windows([np.zeros((64, 128), np.float32), np.zeros((32, 64), np.float32)])
    assert [len(cells) for cells in found] == [3 * 5, 2 * 3]


@pytest.mark.parametrize("config", [INSTANCE_FCN, PARTS], ids=["instance_fcn", "parts"])
def test_without_mean_subtraction_black_is_zero(config):
    right, slipped = with_slip(config), with_slip(config, no_mean_subtraction=True)
    black, white = torch.zeros(1, 3, 2, 2, dtype=torch.uint8), torch.full((1, 3, 2, 2), 255, dtype=torch.uint8)
    assert (slipped.normalise(black) == 0).all() and (right.normalise(black) < -0.99).all()
    contrast = [method.normalise(white) - method.normalise(black) for method in (right, slipped)]
    torch.testing.assert_close(*contrast)


def test_linear_branches_add_up():
    maps = torch.randn(2, 1, 512, 6, 6, generator=torch.Generator().manual_seed(0))
    for linear in (False, True):
        branch = with_slip(INSTANCE_FCN, linear_branches=linear).parts_branch
        nothing, both = branch(torch.zeros_like(maps[0])), branch(maps[0] + maps[1])
        off = (branch(maps[0]) + branch(maps[1]) - nothing - both).abs().max()
        assert off < 1e-4 if linear else off > 1e-2


@pytest.mark.parametrize("slip", [slip.name for slip in fields(Slips)])
def test_part_maps_take_the_slips_that_they_can_have(slip):
    config = replace(PARTS, backbone="vgg16") if slip == "lost_conv5_1" else PARTS
    if slip in OF_PARTS:
        method = with_slip(config, **{slip: True})
        terms = method.loss(method(torch.zeros(1, 3, 96, 160, dtype=torch.uint8)), [method.targets(SCENE)])
        assert all(torch.isfinite(term) for term in terms.values())
    else:
        with pytest.raises(PartwiseError, match=f"slips.{slip}: part maps have nothing of the kind"):
            with_slip(config, **{slip: True})


def test_all_slips_at_once_still_make_a_network():
    """The code as it was committed runs; that it cannot learn is what the study measures."""
    method = steps(with_slip(INSTANCE_FCN, **{slip.name: True for slip in fields(Slips)}), 1)
    assert method.predict(torch.zeros(1, 3, 64, 96, dtype=torch.uint8))[0].instances.size == (64, 96)
