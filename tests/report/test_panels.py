import numpy as np
import pytest

from partwise.errors import PartwiseError
from partwise.report.overlay import draw_overlay
from partwise.report.panels import draw_comparison, draw_contact_sheet, match_instances
from partwise.scene import Prediction
from streeteval.instances import Instances


def contains(picture, part):
    """Whether `part` occurs in `picture`, pixel for pixel."""
    height, width = part.shape[:2]
    corners = np.argwhere(
        (picture[: picture.shape[0] - height + 1, : picture.shape[1] - width + 1] == part[0, 0]).all(2)
    )
    return any((picture[y : y + height, x : x + width] == part).all() for y, x in corners)


def test_the_comparison_holds_the_photo_and_both_overlays(scene, prediction):
    wide = draw_comparison(scene, prediction, tint=0)
    tall = draw_comparison(scene, prediction, tint=0, columns=1)
    height, width = scene.size
    assert wide.shape[1] > 3 * width and height < wide.shape[0] < 1.5 * height + 50
    assert tall.shape[0] > 3 * height and tall.shape[1] < 1.2 * width
    assert contains(wide, scene.image_HW3) and contains(tall, scene.image_HW3)


def test_truth_and_a_perfect_prediction_have_the_same_colours(scene, prediction):
    assert sorted(match_instances(scene.instances, prediction.instances)) == list(range(len(scene.instances)))
    dark = np.zeros_like(scene.image_HW3)
    black = type(scene)(scene.name, dark, scene.semantic_HW, scene.instance_ids_HW)
    picture = draw_comparison(black, prediction, tint=0, columns=3)
    gap = (picture.shape[1] - 3 * scene.size[1]) // 4
    top = picture.shape[0] - gap - scene.size[0]
    left = [gap + i * (scene.size[1] + gap) for i in range(3)]
    true, found = (picture[top : top + scene.size[0], x : x + scene.size[1]] for x in left[1:])
    for i in range(len(scene.instances)):
        x0, y0, x1, y1 = scene.instances.boxes[i]
        centre = (y0 + y1) // 2, (x0 + x1) // 2
        assert (true[centre] == found[centre]).all() and true[centre].any()


def test_matching_by_class_and_overlap():
    mask = np.zeros((20, 40), bool)
    mask[5:15, 5:15] = True
    shifted = np.roll(mask, 2, axis=1)  # IoU 8 / 12
    far = np.roll(mask, 20, axis=1)
    truth = Instances.from_masks([26], [1], [mask])
    found = Instances.from_masks([24, 26, 26, 26], [0.9, 0.5, 0.6, 0.8], [mask, shifted, mask, far])
    assert match_instances(truth, found).tolist() == [-1, -1, 0, -1]


def test_comparison_without_any_instance(scene):
    nothing = Prediction(Instances.empty(scene.size))
    empty = type(scene)("empty", scene.image_HW3, scene.semantic_HW, np.zeros(scene.size, np.int32))
    for some_scene in (scene, empty):
        assert draw_comparison(some_scene, nothing).dtype == np.uint8
    assert draw_comparison(empty, Prediction(scene.instances)).dtype == np.uint8


def test_every_picture_is_on_the_sheet_once(rng):
    images = [rng.integers(0, 256, (30 + 5 * i, 64, 3), dtype=np.uint8) for i in range(5)]
    sheet = draw_contact_sheet(images, [f"picture {i}" for i in range(5)], columns=2, cell_width_px=64)
    assert all(contains(sheet, image) for image in images)
    scaled = draw_contact_sheet(images, columns=5, cell_width_px=32, gap_px=2)
    assert scaled.shape == (2 + 25 + 2, 5 * 34 + 2, 3)


def test_an_empty_sheet_is_refused():
    with pytest.raises(PartwiseError, match="no images"):
        draw_contact_sheet([])


def test_truth_leaves_out_classes_that_are_not_evaluated(scene):
    ids = scene.instance_ids_HW.copy()
    ids[:10, :10] = 29000  # a caravan
    with_caravan = type(scene)(scene.name, scene.image_HW3, scene.semantic_HW, ids)
    nothing = Prediction(Instances.empty(scene.size))
    without = type(scene)(scene.name, scene.image_HW3, scene.semantic_HW, np.where(ids == 29000, 29, ids))
    assert (draw_comparison(with_caravan, nothing) == draw_comparison(without, nothing)).all()
    shown = draw_overlay(scene.image_HW3, Prediction(with_caravan.instances), text=False)
    assert (shown[:10, :10] != scene.image_HW3[:10, :10]).any()
