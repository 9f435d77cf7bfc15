"""The stages of decoding part maps, each by itself: propose, assemble, sharpen, refine, paint."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from partwise.decoding.maps import sigmoid, softmax
from partwise.decoding.masks import RefinedMask, window_masks
from partwise.methods import PartMaps, PartsConfig
from partwise.methods.parts.assemble import AssembledWindows, assemble_grids, list_candidates
from partwise.methods.parts.decode_config import DecodeConfig
from partwise.methods.parts.paint import paint, paint_pixels
from partwise.methods.parts.pooled import PooledMaps
from partwise.methods.parts.propose import propose
from partwise.methods.parts.refine_masks import RefinerMaps, refine_masks
from partwise.methods.parts.sharpen import sharpen
from partwise.methods.parts.windows import Window, part_weights_array
from streeteval.labels import CITYSCAPES

WINDOWS = (Window(4, 8), Window(8, 16))
SHAPES = ((16, 24), (8, 12))
SIZE = (62, 95)
THINGS = [label.name for label in CITYSCAPES.things]


@pytest.fixture(params=range(3))
def generator(request):
    return np.random.default_rng(request.param)


def normal(generator, *shape):
    return generator.standard_normal(shape, dtype=np.float32)


def random_image(generator):
    """Objectness and assembled windows of an image, and the probability of its classes with instances."""
    things = PooledMaps(softmax(normal(generator, len(THINGS), 32, 48) * 2))
    objectness = [normal(generator, *shape) * 2 for shape in SHAPES]
    parts = [normal(generator, 9, *shape) * 4 for shape in SHAPES]
    weights = [part_weights_array(3, window.cells, "bilinear") for window in WINDOWS]
    centres = propose(objectness, DecodeConfig(max_windows=20))
    return objectness, assemble_grids(WINDOWS, centres, objectness, parts, weights, things), things


@pytest.mark.parametrize(("peaks", "most", "step"), [(0.9, 300, 1), (1.0, 300, 1), (0.0, 7, 1), (0.5, 300, 3)])
def test_the_proposed_windows_are_those_that_pass_every_question(generator, peaks, most, step):
    config = DecodeConfig(peaks=peaks, max_windows=most, min_objectness=0.3)
    logits = [normal(generator, *shape) * 2 for shape in SHAPES]
    expected = []
    for grid, one in enumerate(logits):
        probability = sigmoid(one)
        for y, x in np.ndindex(*one.shape):
            near = probability[max(y - 1, 0) : y + 2, max(x - 1, 0) : x + 2].max()
            own = float(probability[y, x])
            if own > 0.3 and probability[y, x] >= peaks * near and y % step == x % step == 0:
                expected.append((own, grid, (y, x)))
    expected = sorted(expected, key=lambda one: -one[0])[:most]
    found = propose(logits, config, step)
    assert len(found) == len(WINDOWS) and sum(map(len, found)) == len(expected) > 0
    for grid, cells in enumerate(found):
        assert [tuple(cell) for cell in cells.tolist()] == [cell for _, at, cell in expected if at == grid]


def test_a_window_is_a_candidate_for_each_likely_class_with_the_product_as_score(generator):
    objectness, assembled, _ = random_image(generator)
    found = list_candidates(assembled, quality_power=3.0, class_share=0.2)
    expected = {}
    for one in assembled:
        for n, (y, x) in enumerate(one.centres_M2.tolist()):
            shares = one.share_TM[:, n]
            for class_index, share in enumerate(shares.tolist()):
                if share >= 0.2 or share == float(shares.max()):
                    own = float(sigmoid(objectness[one.grid][y, x]))
                    expected[one.grid, n, (y, x), class_index] = own, own * float(one.quality_M[n]) ** 3 * share
    keys = list(
        zip(
            found.grid_E.tolist(),
            found.window_E.tolist(),
            map(tuple, found.centre_E2.tolist()),
            found.class_E.tolist(),
            strict=True,
        )
    )
    assert len(keys) == len(set(keys)) and set(keys) == set(expected)
    assert (np.diff(found.score_E) <= 0).all()
    assert found.objectness_E == pytest.approx([expected[key][0] for key in keys])
    assert found.score_E == pytest.approx([expected[key][1] for key in keys], rel=1e-4)


def test_an_image_without_windows_has_no_candidates_and_no_masks():
    candidates = list_candidates([], quality_power=1.0, class_share=0.1)
    things = np.full((len(THINGS), 32, 48), 0.1, np.float32)
    assert len(candidates) == 0
    assert sharpen([], candidates, things, 2, SIZE, CITYSCAPES, min_score=0.0, weight=0.5) == []
    assert paint([], [], SIZE) == []


def test_candidates_of_one_window_and_category_share_their_sharpened_mask(generator):
    _, assembled, things = random_image(generator)
    candidates = list_candidates(assembled, quality_power=1.0, class_share=0.05)
    min_score = float(np.median(candidates.score_E))
    masks = sharpen(assembled, candidates, things.finest, 2, SIZE, CITYSCAPES, min_score=min_score, weight=0.3)
    assert len(masks) == int((candidates.score_E > min_score).sum()) > 5
    of_key = {}
    for e, mask in enumerate(masks):
        category = CITYSCAPES.things[candidates.class_E[e]].category
        key = candidates.grid_E[e], candidates.window_E[e], category
        assert of_key.setdefault(key, mask) is mask
    assert len(set(of_key.values())) == len(of_key) < len(masks)
    # Without the semantic map both categories have the assembled mask.
    plain = sharpen(assembled, candidates, things.finest, 2, SIZE, CITYSCAPES, min_score=min_score, weight=0.0)
    for one, other in zip(masks, plain, strict=True):
        assert not np.array_equal(one.logits_nn, other.logits_nn) and one.corner_px == other.corner_px


def test_a_refined_mask_does_not_depend_on_the_other_candidates(generator):
    torch.manual_seed(0)
    method = PartMaps(PartsConfig(channels=8, semantic_stride_px=2, refine_masks=True)).eval()
    torch.nn.init.normal_(method.mask_refiner.correction.weight, std=0.3)
    _, assembled, things = random_image(generator)
    candidates = list_candidates(assembled, quality_power=1.0, class_share=0.05)
    detail = normal(generator, method.mask_refiner.reduce.out_channels, 32, 48)
    maps = RefinerMaps(detail, things, CITYSCAPES)
    min_score = float(np.median(candidates.score_E))
    with torch.inference_mode():
        found = refine_masks(method.mask_refiner.correct_arrays, maps, assembled, candidates, min_score)
        assert len(found) == int((candidates.score_E >= min_score).sum()) > 5
        for e in (0, len(found) // 2, len(found) - 1):
            (alone,) = refine_masks(method.mask_refiner.correct_arrays, maps, assembled, candidates[[e]], 0.0)
            np.testing.assert_allclose(alone.mask.logits_nn, found[e].mask.logits_nn, atol=1e-4)
            assert (alone.mask.corner_px, alone.mask.cell_px) == (found[e].mask.corner_px, found[e].mask.cell_px)
            assert (alone.quality, alone.share) == pytest.approx((found[e].quality, found[e].share), abs=1e-4)
    assert len({one.mask for one in found}) < len(found), "classes of one category share the mask of their window"


def test_masks_and_outcomes_are_numpy_arrays(generator):
    """The next stages run without torch."""
    _, assembled, things = random_image(generator)
    candidates = list_candidates(assembled, quality_power=1.0, class_share=0.05)
    (mask, *_) = sharpen(assembled, candidates, things.finest, 2, SIZE, CITYSCAPES, min_score=0.0, weight=0.3)
    assert all(isinstance(value, np.ndarray) for value in vars(candidates).values())
    assert isinstance(mask.logits_nn, np.ndarray) and isinstance(mask.inside_nn, np.ndarray)
    assert all(isinstance(along, int) for along in (*mask.box, *mask.corner_px))


def mask_of(logits_nn, corner_px=(8, 8), cell_px=4):
    logits = np.asarray(logits_nn, np.float32)[None]
    return window_masks(logits, logits > 0, cell_px, [corner_px])[0]


def test_a_refined_mask_is_painted_only_if_it_has_a_pixel_in_the_image():
    blob = np.full((8, 8), -2.0)
    blob[2:5, 3:6] = 2.0
    sharpened = [mask_of(blob) for _ in range(4)]
    outside = mask_of(blob, corner_px=(100, 8))
    refined = [RefinedMask(one, 0.5, 0.5) for one in (mask_of(-blob), mask_of(np.full((8, 8), -1.0)), outside)]
    painted = paint(sharpened, refined, SIZE)
    assert [one.refined for one in painted] == [refined[0], None, None, None]
    plain = paint_pixels(sharpened[0], SIZE)
    for one in painted[1:]:
        assert one.mask[0] == plain[0] and np.array_equal(one.mask[1], plain[1])
    assert not np.array_equal(painted[0].mask[1], plain[1])


@pytest.mark.parametrize("cell_px", [1, 2, 4])
@pytest.mark.parametrize("corner", [(0, 0), (-4, 8), (52, 88), (-60, 0)])
def test_a_painted_mask_is_the_whole_window_enlarged_and_cut_to_the_image(generator, cell_px, corner):
    logits = torch.from_numpy(normal(generator, 1, 1, 12, 12))
    mask = paint_pixels(mask_of(logits[0, 0].numpy(), corner, cell_px), SIZE)
    side = 12 * cell_px
    large = torch.nn.functional.interpolate(logits, size=(side, side), mode="bilinear")[0, 0]
    full = np.zeros((SIZE[0] + 200, SIZE[1] + 200), bool)
    full[100 + corner[0] : 100 + corner[0] + side, 100 + corner[1] : 100 + corner[1] + side] = large > 0
    full = full[100 : 100 + SIZE[0], 100 : 100 + SIZE[1]]
    found = np.zeros(SIZE, bool)
    if mask is not None:
        (x0, y0, x1, y1), inside = mask
        found[y0:y1, x0:x1] = inside
        assert inside.any(axis=1)[[0, -1]].all() and inside.any(axis=0)[[0, -1]].all()
    assert np.array_equal(found, full)


def test_decoding_leaves_the_outputs_and_earlier_predictions_as_they_are():
    method = PartMaps(PartsConfig(channels=8)).eval()
    generator = torch.Generator().manual_seed(0)
    shapes = [(128 // window.stride_px, 192 // window.stride_px) for window in method.windows]
    outputs = {
        "semantic": torch.randn(1, 19, 32, 48, generator=generator),
        "objectness": [torch.randn(1, *shape, generator=generator) for shape in shapes],
        "parts": [torch.randn(1, 9, *shape, generator=generator) * 3 for shape in shapes],
    }
    copies = {key: [one.clone() for one in value] for key, value in outputs.items()}
    first = method.decode(outputs, (128, 190))[0]
    semantic = first.semantic_HW.copy()
    method.decoder.config = replace(method.decoder.config, agree_score=0.0)
    second = method.reconciled(first, outputs, 0, (128, 190))
    assert np.array_equal(first.semantic_HW, semantic) and not np.shares_memory(first.semantic_HW, second.semantic_HW)
    for key, value in outputs.items():
        assert all(torch.equal(one, before) for one, before in zip(value, copies[key], strict=True))


def test_an_assembled_window_knows_its_corner_in_the_image():
    none = np.zeros((2, 1))
    windows = AssembledWindows(0, Window(8, 4), np.array([[0, 3], [5, 2]]), none, none, none, none, none)
    assert windows.corners_px() == [[-16, 8], [24, 0]]
