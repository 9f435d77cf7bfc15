"""Each slip of the report's code, put back alone, is found by what it does; without it the same check is silent."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from partwise.data.streets import Streets
from partwise.data.transforms import AugmentConfig
from partwise.doctor import Severity, Subject, examine_recipe
from partwise.doctor.ceiling import contradicting_targets, lost_in_decoding
from partwise.doctor.network import receptive_field
from partwise.doctor.signals import constant_targets
from partwise.doctor.start import pretrained_weights
from partwise.doctor.subject import NO_TRUTH
from partwise.doctor.trial import Trial
from partwise.doctor.unseen import unseen_order
from partwise.doctor.windows import border_objects, centre_share, uncovered_objects, wrong_negatives
from partwise.methods import build_method
from partwise.recipes import recipe
from partwise.scene import Scene
from partwise_report.doctor import merged_ranks, order_direction
from partwise_report.instance_fcn import InstanceFcnConfig
from partwise_report.ordering import OrderingConfig
from partwise_report.slipped_parts import SlippedPartsConfig
from partwise_report.slips import Slips

REPORT = InstanceFcnConfig("holes", "report", "centre", branch_channels=16, channels=8, frozen_blocks=4)
PAPER = replace(REPORT, windows="paper")
PARTS = SlippedPartsConfig(channels=16, windows=((4, 8), (8, 8), (8, 16)))
# slip -> the check that finds it, for those that show in the network itself
IN_THE_NETWORK = {
    "zero_start": "identical units",
    "lost_conv5_1": "pretrained weights",
    "one_dilated_layer": "holes",
    "no_mean_subtraction": "backbone input",
    "linear_branches": "stacked linear layers",
    "objectness_all_ones": "constant target",
}


def with_slip(config, name=None):
    torch.manual_seed(0)
    return build_method(replace(config, slips=Slips(**({name: True} if name else {}))))


def of_boxes(*boxes, size=(256, 512)) -> Scene:
    """Cars as filled boxes x0 y0 x1 y1 on a road."""
    ids = np.full(size, 7, np.int32)
    for number, (x0, y0, x1, y1) in enumerate(boxes):
        ids[y0:y1, x0:x1] = 26000 + number
    return Scene("made", np.zeros((*size, 3), np.uint8), np.where(ids >= 1000, 26, ids).astype(np.uint8), ids)


LARGE_CARS = [of_boxes((100, 100, 190, 160)), of_boxes((300, 120, 395, 200))]  # of the paper's canonical size


@pytest.fixture(scope="module")
def streets() -> list[Scene]:
    return list(Streets(4, (256, 512), seed=3))


def small(made, method, crop, lr):
    data = replace(made.data, augment=AugmentConfig(crop=crop, scale=(0.5, 0.5), centre_instance=1.0), workers=0)
    return replace(made, method=method, data=data, backbone_weights="random", optim=replace(made.optim, lr=lr))


def examined(streets, slip=None, lr=1e-3):
    """Implementation II of the report, small and with a rate that can move weights, on crops of half size."""
    made = small(
        recipe("parts_report_2"), replace(REPORT, slips=Slips(**({slip: True} if slip else {}))), (64, 128), lr
    )
    return examine_recipe(made, streets, steps=3)


@pytest.fixture(scope="module")
def as_written(streets):
    return examined(streets)


def severity(findings, check):
    return max((f.severity for f in findings if f.check == check), key=[*Severity].index)


@pytest.mark.parametrize("slip", IN_THE_NETWORK)
def test_a_slip_in_the_network_is_found(slip, streets, as_written):
    check = IN_THE_NETWORK[slip]
    wanted = Severity.WARNING if slip == "linear_branches" else Severity.FAULT
    assert severity(as_written.results, check) == Severity.OK
    found = [finding for finding in examined(streets, slip).of(check) if finding.severity == wanted]
    assert found and all(finding.remedy and finding.where for finding in found)


def test_zero_start_names_the_first_layer_of_each_branch(streets):
    (found,) = examined(streets, "zero_start").of("identical units")
    assert set(found.details) == {"parts_branch.0.weight", "objectness_branch.0.weight"}
    assert all(layer["rank"] <= 1 and layer["share"] == 1 for layer in found.details.values())


def test_the_rate_of_implementation_2_cannot_move_the_weights(streets, as_written):
    assert recipe("parts_report_2").optim.lr == 1e-8
    assert severity(as_written.results, "learning rate") == Severity.OK
    assert severity(examined(streets, lr=1e-8).results, "learning rate") == Severity.FAULT


def test_a_summed_mask_loss_drowns_objectness(streets, as_written):
    """The report's code sums the mask loss over all pixels of 128 windows of some 400 cells."""
    assert severity(as_written.results, "dominant term") == Severity.OK
    made = small(recipe("parts_report_2"), replace(REPORT, mask_loss_weight=128 * 400.0), (64, 128), 1e-3)
    found = examine_recipe(made, streets, steps=3).of("dominant term")[0]
    assert (found.severity, found.where) == (Severity.FAULT, "mask")


@pytest.mark.parametrize("config", [REPORT, PARTS], ids=["report", "parts"])
def test_objectness_all_ones_has_no_negative_in_any_method(config, streets):
    for slip, wanted in ((None, Severity.OK), ("objectness_all_ones", Severity.FAULT)):
        method = with_slip(config, slip)
        trial = Trial(targets=[[method.targets(scene) for scene in streets]])
        found = constant_targets(trial, NO_TRUTH)
        assert severity(found, "constant target") == wanted
    assert [finding.where for finding in found] == ["objectness"]


def windows_of(method, scenes):
    return [method.window_truth(scene, method.targets(scene)) for scene in scenes]


@pytest.mark.parametrize("config", [REPORT, PAPER], ids=["report", "paper"])
def test_wrong_negatives_are_found(config, streets):
    scenes = streets if config is REPORT else LARGE_CARS
    for slip, wanted in ((None, Severity.OK), ("wrong_negatives", Severity.FAULT)):
        (found,) = wrong_negatives(windows_of(with_slip(config, slip), scenes))
        assert found.severity == wanted and found.details["negatives"] > 100
    assert found.measured > 0.05


def test_part_maps_have_no_wrong_negative(streets):
    (found,) = wrong_negatives(windows_of(with_slip(PARTS), streets))
    assert found.measured == 0 and found.details["negatives"] > 100


@pytest.mark.parametrize("config", [REPORT, PARTS], ids=["report", "parts"])
def test_objects_near_the_border_without_windows_are_found(config):
    scenes = [of_boxes(*((x, y, x + 20, y + 16) for x in (0, 150, 330, 492) for y in (60, 120, 180)))]
    for slip, wanted in ((None, Severity.OK), ("no_border_windows", Severity.FAULT)):
        (found,) = border_objects(windows_of(with_slip(config, slip), scenes), scenes)
        assert found.severity == wanted
    assert found.measured == 0


@pytest.mark.parametrize("config", [PAPER, PARTS], ids=["paper", "parts"])
def test_sparse_inference_is_found(config, streets):
    scenes = streets if config is PARTS else LARGE_CARS
    for slip, wanted in ((None, Severity.OK), ("sparse_inference", Severity.FAULT)):
        method = with_slip(config, slip)
        targets = [method.targets(scene) for scene in scenes]
        held = [truth.held for truth in windows_of(method, scenes)]
        (found,) = lost_in_decoding(method, scenes, targets, held)
        assert found.severity == wanted, found


def test_small_objects_fill_only_the_centre_part_of_the_reports_windows(streets):
    """papers.md: below 48 px of 2048x1024 nearly all of a car lies in the centre part; part maps scale."""
    small_cars = [of_boxes(*((x, y, x + 16, y + 12) for x in range(100, 400, 60) for y in (60, 150)))]
    (found,) = centre_share(windows_of(with_slip(REPORT), small_cars))
    assert found.severity == Severity.FAULT and found.measured >= 0.9
    assert found.details["16-32"]["centre_share"] > 0.9
    for scenes in (small_cars, streets):
        (scaled,) = centre_share(windows_of(with_slip(PARTS), scenes))
        assert scaled.severity == Severity.OK


def test_the_share_in_the_centre_part_is_that_of_a_filled_box():
    """A car of 48 px centred in a window of 112 px, 14 cells: the centre part has the rows and columns 5 to 9."""
    method, scene = with_slip(REPORT), of_boxes((104, 104, 152, 152))
    truth = method.window_truth(scene, method.targets(scene))
    centred = (truth.boxes_M4 == [72, 72, 184, 184]).all(axis=1) & (truth.object_M == 0)
    assert centred.any()
    assert truth.centre_M[centred] == pytest.approx(((152 - (72 + 5 * 8)) / 48) ** 2, abs=1e-3)


def test_sizes_that_no_window_holds_are_named():
    """The paper's windows are for objects of about 96 px: 2 ** (1/4) off and there is none."""
    scenes = [of_boxes((20, 20, 40, 40), (60, 20, 80, 40), (120, 20, 140, 40), (160, 20, 180, 40), (220, 20, 240, 40),
                       (100, 100, 190, 180), (300, 100, 395, 180))]  # fmt: skip
    (found,) = uncovered_objects(windows_of(with_slip(PAPER), scenes))
    assert (found.severity, found.measured, found.where) == (Severity.WARNING, 1.0, "longest side 16-32 px")
    assert found.details == {"16-32": {"objects": 5, "share": 1.0}, "64-128": {"objects": 2, "share": 0.0}}
    (found,) = uncovered_objects(windows_of(with_slip(PARTS), scenes))
    assert found.severity == Severity.OK and found.measured == 0
    (found,) = uncovered_objects(windows_of(with_slip(PAPER), [of_boxes((20, 20, 40, 40))]))
    assert found.severity == Severity.FAULT  # there is nothing at all to learn


@pytest.mark.parametrize(
    ("objectness", "wanted"),
    [("centre", Severity.OK), ("window", Severity.WARNING), ("mean_l1", Severity.WARNING)],
)
def test_an_objectness_that_contradicts_itself_is_found(objectness, wanted, streets):
    """A cell lies in positive and in negative windows at once: taught over whole windows, it is told both."""
    method = build_method(replace(REPORT, objectness=objectness))
    targets = [method.targets(scene) for scene in streets]
    like = {"objectness": [], "parts": []}
    (found,) = contradicting_targets(method, targets, like)
    assert found.severity == wanted, found.details


def weight_file(path):
    """VGG16's features with numbers of their own, under torchvision's names."""
    from safetensors.torch import save_file

    features = with_slip(REPORT).backbone.features
    save_file({f"features.{name}": value.clone() for name, value in features.state_dict().items()}, path)
    return str(path)


def test_a_layer_that_lost_its_pretrained_weights_is_found(tmp_path):
    path = weight_file(tmp_path / "vgg.safetensors")
    whole, lost = with_slip(REPORT), with_slip(REPORT, "lost_conv5_1")
    for method in (whole, lost):
        method.backbone.load_pretrained(path)
    assert severity(pretrained_weights(whole, path), "pretrained weights") == Severity.OK
    (found,) = pretrained_weights(lost, path)
    assert found.severity == Severity.FAULT and "conv5_1" in found.where
    with torch.no_grad():
        whole.backbone.features[26].weight.normal_()
    (found,) = pretrained_weights(whole, path)
    assert "conv5_2.weight (other numbers)" in found.where and found.measured == 1


WIDE = of_boxes(*((x, 20 + x % 7, x + 24, 44 + x % 7) for x in range(8, 1000, 80)), size=(64, 1024))


def test_an_order_beyond_the_receptive_field_is_found():
    torch.manual_seed(0)
    ordering = build_method(OrderingConfig(source="full", channels=8, fc6="7x7"))
    (found,) = unseen_order(Subject(ordering, [WIDE], [ordering.targets(WIDE)]))
    assert found.severity == Severity.FAULT and found.measured > 0.2
    parts = with_slip(PARTS)
    (found,) = unseen_order(Subject(parts, [WIDE], [parts.targets(WIDE)]))
    assert found.severity == Severity.OK


def test_the_receptive_field_is_that_of_the_layers():
    """By arithmetic over the layers of VGG16 with holes, whether its blocks are frozen or not."""
    for frozen in (0, 4):
        method = build_method(InstanceFcnConfig("holes", "report", "centre", branch_channels=4, frozen_blocks=frozen))
        reach = receptive_field(method, (64, 512))
        # conv1_1 ... pool3: 44 px at stride 8; conv4: + 3 * 16; pool4 at stride 1: + 16; conv5 dilated: + 3 * 32;
        # the 3x3 layer of either branch: + 16
        assert 2 * reach.whole == pytest.approx(44 + 48 + 16 + 96 + 16, abs=8)
        assert 0 < reach.effective < reach.whole


@pytest.mark.parametrize("vertical_first", [False, True])
def test_an_order_by_rows_first_is_found(vertical_first, streets):
    method = build_method(OrderingConfig(source="slice", channels=8, vertical_first=vertical_first))
    (found,) = order_direction(Subject(method, streets, [method.targets(scene) for scene in streets]))
    assert found.severity == (Severity.FAULT if vertical_first else Severity.OK)
    assert found.details["along_y" if vertical_first else "along_x"] == 1.0


@pytest.mark.parametrize("merge_last", [False, True])
def test_two_ranks_on_one_map_are_found(merge_last):
    method = build_method(OrderingConfig(source="slice", channels=8, merge_last=merge_last))
    (found,) = merged_ranks(Subject(method, [], []))
    assert (found.measured, found.severity) == ((1, Severity.FAULT) if merge_last else (0, Severity.OK))
