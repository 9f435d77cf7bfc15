import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from partwise.errors import PartwiseError
from partwise.report.lettering import place_chips, text_height_px
from partwise.report.overlay import draw_overlay, draw_semantic
from partwise.report.palette import assign_colours, distinct_colours, readable_on
from partwise.scene import Prediction
from streeteval.instances import Instances
from streeteval.labels import CITYSCAPES


def covered(instances):
    """(H, W) bool: pixels of any instance."""
    return np.logical_or.reduce([instances.full_mask(i) for i in range(len(instances))])


def test_without_tint_and_text_only_the_instances_change(scene, prediction):
    before = scene.image_HW3.copy()
    picture = draw_overlay(scene.image_HW3, prediction, text=False)
    changed = (picture != scene.image_HW3).any(axis=2)
    assert picture.dtype == np.uint8 and picture.shape == scene.image_HW3.shape
    assert not changed[~covered(prediction.instances)].any()
    assert changed[covered(prediction.instances)].mean() > 0.99
    assert (scene.image_HW3 == before).all()


def test_the_contour_has_the_colour_and_the_inside_is_mixed_with_the_photo(scene, prediction):
    instances, image = prediction.instances, np.full_like(scene.image_HW3, 40)
    colours = assign_colours(instances)
    picture = draw_overlay(image, prediction, text=False, fill=0.5)
    for i in range(len(instances)):
        mask = np.pad(instances.full_mask(i), 1)
        inner = mask[1:-1, 1:-1] & mask[:-2, 1:-1] & mask[2:, 1:-1] & mask[1:-1, :-2] & mask[1:-1, 2:]
        edge = instances.full_mask(i) & ~inner
        assert (picture[edge] == colours[i]).all()
        mixed = (colours[i].astype(float) + 40) / 2
        assert np.abs(picture[inner] - mixed).max() <= 1


def test_the_surest_is_on_top():
    masks = [np.zeros((40, 40), bool) for _ in range(2)]
    masks[0][5:30, 5:30] = masks[1][10:35, 10:35] = True
    colours = np.array([[255, 0, 0], [0, 255, 0]], np.uint8)
    for scores in ((0.9, 0.2), (0.2, 0.9)):
        instances = Instances.from_masks([26, 26], scores, masks)
        picture = draw_overlay(
            np.zeros((40, 40, 3), np.uint8), Prediction(instances), text=False, colours_N3=colours, fill=1
        )
        assert picture[20, 20, int(np.argmax(scores))] > 200


def test_tint_shows_the_classes_and_none_leaves_the_photo(scene, prediction):
    nothing = Prediction(Instances.empty(scene.size), scene.semantic_HW)
    assert (draw_overlay(scene.image_HW3, nothing) == scene.image_HW3).all()
    full = draw_overlay(scene.image_HW3, nothing, tint=1.0)
    assert (full == CITYSCAPES.colours[scene.semantic_HW]).all()
    half = draw_semantic(scene.semantic_HW, CITYSCAPES, scene.image_HW3, strength=0.5).astype(float)
    wanted = (scene.image_HW3.astype(float) + CITYSCAPES.colours[scene.semantic_HW]) / 2
    assert np.abs(half - wanted).max() <= 1
    assert (draw_semantic(scene.semantic_HW) == CITYSCAPES.colours[scene.semantic_HW]).all()


@pytest.mark.parametrize("size", [(1, 1), (3, 500), (64, 64), (256, 512), (1024, 2048)])
def test_any_size_of_image_and_boxes_at_the_border(size):
    masks = [np.zeros(size, bool) for _ in range(4)]
    height, width = size
    masks[0][: -(-height // 2)] = masks[1][-1:] = masks[2][:, -1:] = masks[3][:, : -(-width // 2)] = True
    instances = Instances.from_masks([26, 24, 33, 25], [0.9, 0.8, 0.7, 0.6], masks)
    picture = draw_overlay(np.full((*size, 3), 127, np.uint8), Prediction(instances))
    assert picture.shape == (*size, 3)


def test_text_stands_in_the_image_and_nowhere_else(rng):
    size = (256, 512)
    masks = [np.zeros(size, bool) for _ in range(3)]
    masks[0][:80, :120] = masks[1][120:250, 400:] = masks[2][100:103, 100:103] = True
    instances = Instances.from_masks([26, 24, 24], [0.9, 0.8, 0.7], masks)
    image = rng.integers(0, 256, (*size, 3), dtype=np.uint8)
    plain = draw_overlay(image, Prediction(instances), text=False)
    written = draw_overlay(image, Prediction(instances))
    changed = (plain != written).any(axis=2)
    assert changed[:90, :130].any() and changed[100:, 380:].any()
    assert not changed[95:110, 90:200].any(), "a box of 3 pixels gets no text"
    border = np.ones(size, bool)
    border[1:-1, 1:-1] = False
    assert not changed[border].any()


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 40))
def test_chips_never_overlap_leave_the_image_or_hide_an_instance(seed, count):
    rng = np.random.default_rng(seed)
    size = tuple(int(side) for side in rng.integers(20, 400, 2))
    y0, x0 = (rng.integers(0, side - 4, count) for side in size)
    y1, x1 = (np.minimum(start + rng.integers(1, 150, count), side) for start, side in ((y0, size[0]), (x0, size[1])))
    boxes = np.stack([x0, y0, x1, y1], axis=1)
    chips = place_chips(["person 0.93"] * count, boxes, np.zeros((count, 3), np.uint8), size, text_height_px(size))
    hidden = np.zeros(size, int)
    for chip in chips:
        left, top, right, bottom = chip.box
        assert 1 <= left < right <= size[1] - 1 and 1 <= top < bottom <= size[0] - 1
        hidden[top:bottom, left:right] += 1
        for a, b, c, d in boxes:
            share = max(0, min(c, right) - max(a, left)) * max(0, min(d, bottom) - max(b, top))
            assert share <= (c - a) * (d - b) / 3 + 1e-9
    assert hidden.max(initial=0) <= 1


def test_sixty_instances_have_sixty_colours_and_neighbours_differ_most(rng):
    count, size = 60, (512, 1024)
    x0, y0 = rng.integers(0, 900, count), rng.integers(0, 400, count)
    boxes = np.stack([x0, y0, x0 + 60, y0 + 60], axis=1)
    instances = Instances(np.full(count, 26), np.ones(count), boxes, [np.ones((60, 60), bool)] * count, size)
    colours = assign_colours(instances)
    assert len(np.unique(colours, axis=0)) == count
    assert (assign_colours(instances) == colours).all()
    distance = np.linalg.norm(colours[:, None].astype(float) - colours[None], axis=2)
    near = np.abs(boxes[:, None, :2] - boxes[None, :, :2]).max(axis=2) < 60
    np.fill_diagonal(near, False)
    others = ~near & ~np.eye(count, dtype=bool)
    assert np.percentile(distance[near], 2) > 1.5 * np.percentile(distance[others], 2)


def test_more_instances_than_colours():
    count = 300
    boxes = np.array([[3 * i, 0, 3 * i + 2, 2] for i in range(count)])
    instances = Instances(np.full(count, 24), np.ones(count), boxes, [np.ones((2, 2), bool)] * count, (4, 1000))
    assert np.unique(assign_colours(instances), axis=0, return_counts=True)[1].max() == 2


def test_text_has_contrast_on_every_colour():
    def luminance(colour):
        c = np.asarray(colour) / 255
        return np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4) @ (0.2126, 0.7152, 0.0722)

    for colour in distinct_colours(256):
        low, high = sorted((luminance(colour), luminance(readable_on(colour))))
        assert (high + 0.05) / (low + 0.05) >= 4.5, colour  # WCAG 2.2, level AA


def test_wrong_sizes_are_named(scene, prediction):
    with pytest.raises(PartwiseError, match="the image is 199x120, the prediction 200x120"):
        draw_overlay(scene.image_HW3[:, :-1], prediction)
    with pytest.raises(PartwiseError, match="float64"):
        draw_overlay(scene.image_HW3 / 255, prediction)


def test_fast_with_sixty_instances_at_1024x512(rng):
    count, size = 60, (512, 1024)
    x0, y0 = rng.integers(0, 800, count), rng.integers(0, 350, count)
    side = rng.integers(10, 150, (count, 2))
    boxes = np.stack([x0, y0, x0 + side[:, 0], y0 + side[:, 1]], axis=1)
    masks = [rng.random((h, w)) < 0.9 for w, h in side]
    instances = Instances(rng.choice([24, 26], count), rng.uniform(0, 1, count), boxes, masks, size)
    image = rng.integers(0, 256, (*size, 3), dtype=np.uint8)
    spent = []
    for _ in range(5):
        start = time.process_time()
        draw_overlay(image, Prediction(instances))
        spent.append(time.process_time() - start)
    assert min(spent) < 0.1
