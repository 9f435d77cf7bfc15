"""Instances and scenes: validated when made, lossless through the id map, COCO and supervision."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pycocotools import mask as coco_mask

from partwise.errors import PartwiseError
from partwise.geometry import boxes_of_masks
from partwise.scene import Prediction, Scene
from streeteval.boxes import box_of_mask, crop_intersection
from streeteval.instances import Instances
from streeteval.labels import CITYSCAPES
from streeteval.rle import column_runs, segments, value_counts


def random_ids(seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    ids = rng.choice([7, 11, 26], size=(24, 32))
    for number in range(int(rng.integers(0, 6))):
        y, x = int(rng.integers(0, 20)), int(rng.integers(0, 28))
        ids[y : y + int(rng.integers(1, 9)), x : x + int(rng.integers(1, 9))] = (
            int(rng.choice([24, 26])) * 1000 + number
        )
    return ids.astype(np.int32)


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=50, deadline=None)
def test_segments_and_counts_equal_a_loop(seed):
    ids_HW = random_ids(seed)
    ids, pixels, boxes = segments(ids_HW)
    assert ids.tolist() == np.unique(ids_HW).tolist()
    assert pixels.tolist() == [np.count_nonzero(ids_HW == i) for i in ids]
    assert [tuple(box) for box in boxes.tolist()] == [box_of_mask(ids_HW == i) for i in ids]
    assert [column.tolist() for column in value_counts(ids_HW)] == [ids.tolist(), pixels.tolist()]


@pytest.mark.parametrize("shape", [(0, 4), (4, 0), (1, 1)])
def test_segments_of_a_map_with_hardly_a_pixel(shape):
    ids, pixels, boxes = segments(np.zeros(shape, np.int32))
    assert ids.tolist() == [0][: np.prod(shape)] and pixels.sum() == np.prod(shape) and boxes.shape == (len(ids), 4)
    assert value_counts(np.zeros(shape, np.int32))[1].sum() == np.prod(shape)


@pytest.mark.parametrize("share", [0.0, 0.02, 0.3, 1.0])
def test_boxes_of_masks_are_the_box_of_each(share):
    masks = np.random.default_rng(3).random((20, 7, 9)) < share
    assert boxes_of_masks(masks).tolist() == [list(box_of_mask(mask) or (0, 0, 0, 0)) for mask in masks]
    assert boxes_of_masks(masks[:0]).shape == (0, 4)


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=50, deadline=None)
def test_truth_survives_the_way_through_instances(seed):
    """Instances never overlap in a truth, so painting them over the semantic map gives the same regions back."""
    ids = random_ids(seed)
    instances = Instances.from_id_map(ids)
    semantic = np.where(ids >= 1000, ids // 1000, ids)
    again = instances.to_id_map(semantic)
    assert np.array_equal(np.where(again >= 1000, again // 1000, again), semantic)
    for i in range(len(instances)):
        assert len(np.unique(again[instances.full_mask(i)])) == 1
    assert instances.areas.sum() == (ids >= 1000).sum()


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=30, deadline=None)
def test_intersections_of_crops_equal_those_of_full_masks(seed):
    rng = np.random.default_rng(seed)
    made = Instances.from_masks([24, 26], [1, 1], [rng.random((9, 11)) < 0.3, rng.random((9, 11)) < 0.3])
    if len(made) == 2:
        shared = crop_intersection(made.boxes[0], made.masks[0], made.boxes[1], made.masks[1])
        assert shared == (made.full_mask(0) & made.full_mask(1)).sum()


def six_boxes(seed: int) -> tuple[Instances, list[np.ndarray]]:
    """Instances that overlap, of three classes, and their masks."""
    rng = np.random.default_rng(seed)
    masks = [np.zeros((12, 16), bool) for _ in range(6)]
    for mask in masks:
        y, x = rng.integers(0, 6, 2)
        mask[y : y + rng.integers(3, 7), x : x + rng.integers(3, 9)] = True
    return Instances.from_masks(rng.choice([24, 26, 28], 6), rng.permutation(6) / 6, masks), masks


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None)
def test_crowding_is_the_highest_iou_with_a_higher_scoring_instance_of_the_class(seed):
    made, masks = six_boxes(seed)
    for i, crowding in enumerate(made.crowding()):
        higher = [j for j in range(6) if made.scores[j] > made.scores[i] and made.labels[j] == made.labels[i]]
        overlaps = [(masks[i] & masks[j]).sum() / (masks[i] | masks[j]).sum() for j in higher]
        assert crowding == max(overlaps, default=0.0)


@given(st.integers(0, 2**32 - 1), st.floats(0, 1))
@settings(max_examples=60, deadline=None)
def test_distinct_instances_have_the_highest_scores_of_those_that_overlap(seed, iou):
    """None that is left has a higher-scoring one of another class over it; each that is gone has one that is left."""
    made, masks = six_boxes(seed)
    left = made.distinct(iou)
    kept = [i for i in range(6) if made.scores[i] in left.scores]
    assert left.scores.tolist() == made.scores[kept].tolist()  # in the order in which they were

    def hidden(i: int) -> bool:
        overlap = lambda j: (masks[i] & masks[j]).sum() / (masks[i] | masks[j]).sum()
        higher = (j for j in kept if made.scores[j] > made.scores[i] and made.labels[j] != made.labels[i])
        return any(overlap(j) > iou for j in higher)

    assert [i for i in range(6) if not hidden(i)] == kept


@given(st.integers(0, 2**32 - 1), st.integers(1, 60), st.integers(1, 60))
@settings(max_examples=60, deadline=None)
def test_a_resized_prediction_is_that_of_its_resized_map(seed, height, width):
    """By pixel: the centre of the new one lies in the old one whose value it has; oracle: the map itself, resized."""
    ids = random_ids(seed)
    semantic = np.where(ids >= 1000, ids // 1000, ids).astype(np.uint8)
    moved = Prediction(Instances.from_id_map(ids), semantic).resized((height, width))
    rows = [int((y + 0.5) * ids.shape[0] / height) for y in range(height)]
    columns = [int((x + 0.5) * ids.shape[1] / width) for x in range(width)]
    expected = ids[rows][:, columns]
    assert np.array_equal(moved.semantic_HW, semantic[rows][:, columns])
    values = [value for value in np.unique(expected).tolist() if value >= 1000]
    assert moved.instances.labels.tolist() == [value // 1000 for value in values]
    for i, value in enumerate(values):
        assert np.array_equal(moved.instances.full_mask(i), expected == value)
        assert tuple(moved.instances.boxes[i].tolist()) == box_of_mask(expected == value)


def test_the_instance_with_the_highest_score_is_on_top():
    mask = np.ones((2, 3), bool)
    painted = Instances.from_masks([24, 26], [0.9, 0.2], [mask, mask]).to_id_map()
    assert (painted == 24000).all()


def test_coco_entries_decode_to_the_masks():
    instances = Instances.from_id_map(random_ids(5))
    assert len(instances)
    for i, entry in enumerate(instances.to_coco(image_id=3)):
        assert np.array_equal(coco_mask.decode(entry["segmentation"]).astype(bool), instances.full_mask(i))
        x, y, width, height = entry["bbox"]
        assert [x, y, x + width, y + height] == instances.boxes[i].tolist()
        assert (entry["image_id"], entry["category_id"]) == (3, instances.labels[i])


@given(
    st.tuples(st.integers(1, 7), st.integers(1, 7)).flatmap(lambda size: arrays(bool, size)),
    st.tuples(*[st.integers(0, 3)] * 4),
)
def test_runs_of_a_crop_are_those_of_the_whole_mask(mask_hw, margins):
    left, top, right, bottom = margins
    whole = np.pad(mask_hw, ((top, bottom), (left, right)))
    counts = column_runs(mask_hw, (left, top), whole.shape).tolist()
    compressed = coco_mask.frPyObjects({"size": list(whole.shape), "counts": counts}, *whole.shape)
    assert compressed == coco_mask.encode(np.asfortranarray(whole.astype(np.uint8)))


@pytest.mark.parametrize("kept", [slice(None), slice(0, 0)])
def test_detections_of_supervision_hold_the_masks(kept):
    instances = Instances.from_id_map(random_ids(5))[kept]
    detections = instances.to_supervision()
    masks = [instances.full_mask(i) for i in range(len(instances))]
    assert np.array_equal(detections.mask.to_dense(), np.array(masks, bool).reshape(-1, *instances.size))
    assert detections.area.tolist() == instances.areas.tolist()


def test_a_scene_with_truth_of_another_size_is_refused():
    with pytest.raises(PartwiseError, match="labelIds 4x5"):
        Scene("one", np.zeros((8, 9, 3), np.uint8), np.zeros((5, 4), np.uint8), np.zeros((8, 9), np.int32))


def test_nothing_found_is_a_prediction_too():
    empty = Instances.empty((4, 6))
    assert len(empty) == 0
    assert empty.to_coco() == []
    assert (Prediction(empty, np.full((4, 6), 7, np.uint8)).to_id_map() == 7).all()
    assert len(empty[np.zeros(0, bool)]) == 0


def test_the_label_set_is_cityscapes():
    """Against the official table, where it is installed."""
    labels = pytest.importorskip("cityscapesscripts.helpers.labels").labels
    official = {label.id: label for label in labels if label.id >= 0}
    assert sorted(CITYSCAPES.by_id) == sorted(official)
    for label in CITYSCAPES:
        other = official[label.id]
        train_id = other.trainId if 0 <= other.trainId < 255 else 255
        assert (label.name, label.train_id, label.category, label.has_instances, label.colour) == (
            other.name, train_id, other.category, other.hasInstances, other.color
        )  # fmt: skip
