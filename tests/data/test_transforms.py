"""Augmentation: the truth moves with the image."""

import colorsys
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import max_pool2d

from partwise.data.degrade import DegradeConfig
from partwise.data.loader import DataConfig, TrainingSamples
from partwise.data.streets import Streets
from partwise.data.transforms import AugmentConfig, augment
from partwise.scene import Scene
from partwise_report.ordering import Ordering, OrderingConfig
from streeteval.labels import CITYSCAPES

SIZE = (128, 256)
STILL = AugmentConfig(crop=SIZE, scale=(1, 1), flip=0, photometric=0, centre_instance=0)
STREET = Streets(1, SIZE, seed=5)[0]
seeds = st.integers(0, 2**32)

VOID_ID = CITYSCAPES.void_id


def told_by_the_image(scene: Scene) -> Scene:
    """A scene whose image says its truth: red the class, green and blue a number of the instance."""
    ids, number = np.unique(scene.instance_ids_HW, return_inverse=True)
    number = number.reshape(scene.size)
    image = np.stack([scene.semantic_HW * 7, number * 251 // len(ids), 255 - number * 251 // len(ids)], axis=2)
    return Scene(scene.name, image.astype(np.uint8), scene.semantic_HW, scene.instance_ids_HW)


def changed(scene: Scene, seed: int, config: AugmentConfig, weights=None) -> Scene:
    return augment(scene, np.random.default_rng(seed), config, weights or {})


def same(a: Scene, b: Scene) -> bool:
    pairs = ((a.image_HW3, b.image_HW3), (a.semantic_HW, b.semantic_HW), (a.instance_ids_HW, b.instance_ids_HW))
    return all(np.array_equal(x, y) for x, y in pairs)


def blocks() -> Scene:
    """Squares of 32 pixels of seven classes, some with instances: nothing is so thin that resampling can lose it."""
    ids = np.kron(np.random.default_rng(0).choice([7, 11, 23, 24001, 26000, 26003, 33000], (4, 8)), np.ones((32, 32)))
    ids = ids.astype(np.int32)
    semantic = np.where(ids >= 1000, ids // 1000, ids).astype(np.uint8)
    return told_by_the_image(Scene("blocks", np.zeros((*SIZE, 3), np.uint8), semantic, ids))


@given(seeds, st.floats(0.4, 2.5), st.sampled_from([(64, 64), (96, 160), (160, 320)]))
@settings(max_examples=40, deadline=None)
def test_the_truth_moves_with_the_image(seed, scale, crop):
    """Where the truth is flat all around a pixel, resampling cannot mix, and the image must say that truth."""
    config = AugmentConfig(crop=crop, scale=(scale, scale), flip=0.5, photometric=0, centre_instance=0.5)
    scene = blocks()
    moved = changed(scene, seed, config)
    assert moved.size == crop and moved.image_HW3.shape == (*crop, 3)
    assert moved.semantic_HW.dtype == np.uint8 and moved.instance_ids_HW.dtype == np.int32
    says = {int(i): scene.image_HW3[scene.instance_ids_HW == i][0] for i in np.unique(scene.instance_ids_HW)}
    says[VOID_ID] = np.zeros(3)  # what lies outside the frame is black
    reach = int(np.ceil(2 + 2 * max(scale, 1 / scale)))
    exact = torch.from_numpy(moved.instance_ids_HW)[None].float()  # ids are below 2 ** 24
    highest, lowest = (sign * max_pool2d(sign * exact, 2 * reach + 1, stride=1)[0].numpy() for sign in (1, -1))
    inner = moved.instance_ids_HW[reach:-reach, reach:-reach]
    colours = moved.image_HW3[reach:-reach, reach:-reach].astype(int)
    flat = highest == lowest
    for value in np.unique(inner[flat]).tolist():
        assert np.abs(colours[flat & (inner == value)] - says[value].astype(int)).max() <= 1, value


@given(seeds)
@settings(max_examples=20, deadline=None)
def test_without_scaling_a_crop_is_a_piece_of_the_frame(seed):
    config = replace(STILL, crop=(64, 96))
    piece = changed(told_by_the_image(STREET), seed, config)
    whole = told_by_the_image(STREET).image_HW3
    windows = np.lib.stride_tricks.sliding_window_view(whole, (64, 96, 3))[:, :, 0]
    candidates = np.argwhere((windows[:, :, 0, 0] == piece.image_HW3[0, 0]).all(axis=-1))
    assert any(
        np.array_equal(whole[y : y + 64, x : x + 96], piece.image_HW3)
        and np.array_equal(STREET.instance_ids_HW[y : y + 64, x : x + 96], piece.instance_ids_HW)
        and np.array_equal(STREET.semantic_HW[y : y + 64, x : x + 96], piece.semantic_HW)
        for y, x in candidates.tolist()
    )


@given(seeds)
@settings(max_examples=10, deadline=None)
def test_flipped_twice_is_the_scene_and_flipped_once_its_mirror_image(seed):
    assert same(changed(STREET, seed, STILL), STREET)
    once = changed(STREET, seed, replace(STILL, flip=1))
    mirrored = (STREET.image_HW3[:, ::-1], STREET.semantic_HW[:, ::-1], STREET.instance_ids_HW[:, ::-1])
    assert same(once, Scene("", *mirrored))
    assert same(changed(once, seed + 1, replace(STILL, flip=1)), STREET)


@given(seeds, st.floats(0.5, 2))
@settings(max_examples=20, deadline=None)
def test_no_id_is_invented_and_both_truths_stay_one(seed, scale):
    moved = changed(STREET, seed, AugmentConfig(crop=(96, 192), scale=(scale, scale)))
    before = set(zip(STREET.semantic_HW.ravel().tolist(), STREET.instance_ids_HW.ravel().tolist(), strict=True))
    after = set(zip(moved.semantic_HW.ravel().tolist(), moved.instance_ids_HW.ravel().tolist(), strict=True))
    assert after <= before | {(VOID_ID, VOID_ID)}


def test_outside_the_frame_is_void():
    moved = changed(STREET, 0, replace(STILL, crop=(256, 512)))
    ids = np.unique(moved.instance_ids_HW, return_counts=True)
    counts = dict(zip(*(column.tolist() for column in ids), strict=True))
    original = dict(zip(*(c.tolist() for c in np.unique(STREET.instance_ids_HW, return_counts=True)), strict=True))
    outside = 256 * 512 - SIZE[0] * SIZE[1]
    assert counts == original | {VOID_ID: original.get(VOID_ID, 0) + outside}


@given(seeds)
@settings(max_examples=10, deadline=None)
def test_the_same_generator_gives_the_same_scene(seed):
    config = AugmentConfig(crop=(64, 128))
    assert same(changed(STREET, seed, config), changed(STREET, seed, config))


def test_colours_change_and_the_truth_does_not():
    recoloured = changed(STREET, 1, replace(STILL, photometric=0.3))
    assert not np.array_equal(recoloured.image_HW3, STREET.image_HW3)
    assert np.array_equal(recoloured.instance_ids_HW, STREET.instance_ids_HW)
    assert np.array_equal(recoloured.semantic_HW, STREET.semantic_HW)


def test_the_hue_turns_by_up_to_its_limit_and_keeps_grey_and_truth():
    grey = np.repeat(STREET.image_HW3[..., :1], 3, axis=2)
    turning = replace(STILL, hue=0.5)
    turned = [changed(STREET, seed, turning) for seed in range(20)]
    assert all(np.array_equal(one.instance_ids_HW, STREET.instance_ids_HW) for one in turned)
    assert np.array_equal(changed(replace(STREET, image_HW3=grey), 3, turning).image_HW3, grey)
    brightest = lambda scene: scene.image_HW3.max(axis=2).astype(int)
    assert all(np.abs(brightest(one) - brightest(STREET)).max() <= 1 for one in turned)
    red = replace(STREET, image_HW3=np.full_like(STREET.image_HW3, (200, 0, 0)))
    hues = [colour_angle(changed(red, seed, turning).image_HW3[0, 0]) for seed in range(400)]
    assert max(hues) > 0.4 and min(hues) < -0.4
    assert 0.03 < np.median(np.abs(hues)) < 0.1
    slight = [colour_angle(changed(red, seed, replace(STILL, hue=0.1)).image_HW3[0, 0]) for seed in range(100)]
    assert np.abs(slight).max() <= 0.11


def colour_angle(rgb) -> float:
    """The hue in turns, -.5 to .5."""
    hue = colorsys.rgb_to_hsv(*(float(value) / 255 for value in rgb))[0]
    return (hue + 0.5) % 1 - 0.5


def one_car_among_persons() -> Scene:
    """Class 26 is one small car, ten persons stand elsewhere."""
    ids = np.full((256, 512), 7, np.int32)
    for number, x in enumerate(range(20, 220, 20)):
        ids[20:30, x : x + 8] = 24000 + number
    ids[200:210, 480:490] = 26000
    semantic = np.where(ids >= 1000, ids // 1000, ids).astype(np.uint8)
    return Scene("", np.zeros((256, 512, 3), np.uint8), semantic, ids)


@pytest.mark.parametrize("weight", [1.0, 1000.0])
def test_a_crop_around_an_instance_shows_one_and_a_heavy_class_nearly_always(weight):
    scene, config = one_car_among_persons(), replace(STILL, crop=(64, 64), centre_instance=1.0)
    crops = [changed(scene, seed, config, {26: weight}) for seed in range(100)]
    assert all((crop.instance_ids_HW >= 1000).any() for crop in crops)
    share = np.mean([(crop.instance_ids_HW == 26000).any() for crop in crops])
    assert abs(share - weight / (weight + 10)) < 0.1


def test_crops_are_laid_around_the_classes_that_a_method_tells_apart():
    """A method of cars alone learns nothing from a crop of persons."""
    scene, config = one_car_among_persons(), replace(STILL, crop=(64, 64), centre_instance=1.0)
    method = Ordering(OrderingConfig(channels=8))
    samples = TrainingSamples([scene], method.targets, DataConfig(augment=config), 0, classes=method.instance_classes)
    assert all((samples.scene(draw).instance_ids_HW == 26000).any() for draw in range(40))


def test_a_frame_without_instances_and_a_frame_of_one_pixel_are_cropped_all_the_same():
    plain = Scene("", np.full((1, 1, 3), 9, np.uint8), np.full((1, 1), 7, np.uint8), np.full((1, 1), 7, np.int32))
    config = replace(STILL, crop=(32, 32), centre_instance=1.0)
    for seed in range(5):
        moved = changed(plain, seed, config)
        assert (moved.semantic_HW == 7).sum() == 1 and (moved.semantic_HW == VOID_ID).sum() == 1023
        assert (moved.image_HW3[moved.semantic_HW == 7] == 9).all()


@given(seeds, st.floats(0, 45), st.floats(0, 0.3))
@settings(max_examples=25, deadline=None)
def test_a_tilted_truth_moves_with_the_image_and_nothing_lies_outside(seed, rotation, perspective):
    scene = blocks()
    moved = changed(scene, seed, replace(STILL, rotation_deg=rotation, perspective=perspective))
    assert moved.size == SIZE
    assert set(np.unique(moved.instance_ids_HW).tolist()) <= set(np.unique(scene.instance_ids_HW).tolist())
    says = {int(i): scene.image_HW3[scene.instance_ids_HW == i][0] for i in np.unique(scene.instance_ids_HW)}
    exact = torch.from_numpy(moved.instance_ids_HW)[None].float()
    highest, lowest = (sign * max_pool2d(sign * exact, 17, stride=1)[0].numpy() for sign in (1, -1))
    flat, inner = highest == lowest, moved.instance_ids_HW[8:-8, 8:-8]
    for value in np.unique(inner[flat]).tolist():
        colours = moved.image_HW3[8:-8, 8:-8][flat & (inner == value)].astype(int)
        assert np.abs(colours - says[value].astype(int)).max() <= 1, value
    assert np.array_equal(
        moved.semantic_HW, np.where(moved.instance_ids_HW >= 1000, moved.instance_ids_HW // 1000, moved.instance_ids_HW)
    )


def test_a_rotated_crop_is_rotated():
    """The share of pixels that differ from the frame grows with the angle; without an angle there is none."""
    differs = [
        np.mean(
            [
                (
                    changed(STREET, seed, replace(STILL, rotation_deg=deg)).instance_ids_HW != STREET.instance_ids_HW
                ).mean()
                for seed in range(4)
            ]
        )
        for deg in (0, 3, 30)
    ]
    assert differs[0] == 0 < differs[1] < differs[2]


@pytest.mark.parametrize(
    "fields",
    [{"gamma": 0.5}, {"blur": 1.0}, {"noise": 0.1}, {"jpeg": 1.0, "jpeg_quality": 5}],
    ids=lambda one: next(iter(one)),
)
def test_a_degraded_image_changes_and_its_truth_does_not(fields):
    made = changed(STREET, 1, replace(STILL, degrade=DegradeConfig(**fields)))
    assert made.image_HW3.dtype == np.uint8 and made.image_HW3.shape == STREET.image_HW3.shape
    difference = np.abs(made.image_HW3.astype(int) - STREET.image_HW3)
    assert 0 < difference.mean() < 60
    assert np.array_equal(made.instance_ids_HW, STREET.instance_ids_HW)
    assert np.array_equal(made.semantic_HW, STREET.semantic_HW)
    assert same(made, changed(STREET, 1, replace(STILL, degrade=DegradeConfig(**fields))))


def test_a_blur_lowers_contrast_between_neighbours_and_noise_raises_it():
    contrast = lambda scene: np.abs(np.diff(scene.image_HW3.astype(int), axis=1)).mean()
    blurred, noisy = (
        changed(STREET, 1, replace(STILL, degrade=one)) for one in (DegradeConfig(blur=1), DegradeConfig(noise=0.3))
    )
    assert contrast(blurred) < contrast(STREET) < contrast(noisy)


def test_a_changed_aspect_changes_width_against_height():
    """A square of the frame becomes a rectangle, up to the limit and in both directions."""
    ids = np.full(SIZE, 7, np.int32)
    ids[44:84, 108:148] = 26000
    scene = Scene("", np.zeros((*SIZE, 3), np.uint8), np.where(ids >= 1000, 26, 7).astype(np.uint8), ids)
    ratios = []
    for seed in range(20):
        (x0, y0, x1, y1) = changed(scene, seed, replace(STILL, aspect=0.5)).instances.boxes[0]
        ratios.append((x1 - x0) / (y1 - y0))
    assert 1 / 1.6 < min(ratios) < 0.8 and 1.25 < max(ratios) < 1.6
