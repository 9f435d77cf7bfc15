"""What holds of the evaluator whatever the definitions: sharding, order, renaming, flipping, faults of its caller."""

import json
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation.scenes import painted, predicted, random_instances, random_scenes, random_semantic, scene_of
from partwise.errors import PartwiseError
from partwise.scene import Prediction, Scene
from streeteval.evaluator import CityscapesEvaluator
from streeteval.instances import Instances

NAMES = tuple(f"ulm_{i:06}_000019" for i in range(5))
EVERYTHING = {"boundary": True, "panoptic": True, "coco": True, "draws": 20}


def filled(scenes, predictions, **settings) -> CityscapesEvaluator:
    evaluator = CityscapesEvaluator(**settings)
    for scene, prediction in zip(scenes, predictions, strict=True):
        evaluator.update(scene, prediction.instances, prediction.semantic_HW)
    return evaluator


@st.composite
def scored_scenes(draw):
    scenes = draw(random_scenes(NAMES))
    return scenes, [Prediction(draw(random_instances(x)), draw(random_semantic(x))) for x in scenes]


@settings(max_examples=25, deadline=None)
@given(scored_scenes(), st.randoms(use_true_random=False))
def test_shards_and_order_change_nothing(scored, random):
    scenes, predictions = scored
    whole = filled(scenes, predictions, **EVERYTHING).compute()
    order = list(range(len(scenes)))
    random.shuffle(order)
    cut = random.randint(0, len(order))
    parts = [
        filled([scenes[i] for i in part], [predictions[i] for i in part], **EVERYTHING)
        for part in (order[cut:], order[:cut])
    ]
    merged = pickle.loads(pickle.dumps(parts[0])).merge(parts[1])
    assert merged.compute() == whole
    assert json.loads(json.dumps(whole, allow_nan=False)) == whole


@settings(max_examples=25, deadline=None)
@given(scored_scenes())
def test_renumbered_instances_and_flipped_images_score_the_same(scored):
    scenes, predictions = scored
    renumbered = [
        Scene(
            x.name,
            x.image_HW3,
            x.semantic_HW,
            np.where(x.instance_ids_HW >= 1000, x.instance_ids_HW ^ 1, x.instance_ids_HW),
        )
        for x in scenes
    ]
    assert filled(renumbered, predictions).compute() == filled(scenes, predictions).compute()
    flipped = [Scene(x.name, x.image_HW3, x.semantic_HW[:, ::-1], x.instance_ids_HW[:, ::-1]) for x in scenes]
    mirrored = [Prediction(mirror(x.instances), x.semantic_HW[:, ::-1]) for x in predictions]
    assert filled(flipped, mirrored).compute() == filled(scenes, predictions).compute()


def mirror(instances: Instances) -> Instances:
    masks = [instances.full_mask(i)[:, ::-1] for i in range(len(instances))]
    return Instances.from_masks(instances.labels, instances.scores, masks, instances.size)


def test_a_perfect_prediction_scores_one_everywhere(scenes):
    evaluator = CityscapesEvaluator(boundary=True, panoptic=True)
    for scene in scenes:
        evaluator.update(scene, scene.instances, scene.semantic_HW)
    scores = evaluator.compute()
    headlines = [
        *(scores["semantic"][key] for key in ("iou_class", "iiou_class", "iou_category", "iiou_category")),
        *(scores["instance"][key] for key in ("ap", "ap50")),
        *(scores["instance"]["boundary"][key] for key in ("ap", "ap50", "mean_iou")),
        *(scores["panoptic"][key] for key in ("pq", "sq", "rq")),
    ]
    assert headlines == pytest.approx([1.0] * 12)


def test_what_is_kept_does_not_grow_with_the_pixels():
    """The same scene at eight times the side leaves a record of the same size."""
    sizes = []
    for scale in (1, 8):
        scene = scene_of(painted((26000, 5, 5, 25, 25), (24000, 30, 5, 50, 30)).repeat(scale, 0).repeat(scale, 1))
        evaluator = filled([scene], [Prediction(scene.instances, scene.semantic_HW)], **EVERYTHING)
        sizes.append(len(pickle.dumps(evaluator.records)))
    assert sizes[0] == pytest.approx(sizes[1], rel=0.05)
    assert sizes[1] < 20_000


def test_nothing_to_score_is_none():
    empty = CityscapesEvaluator().compute()
    assert (empty["images"], empty["semantic"], empty["instance"]) == (0, None, None)
    evaluator = CityscapesEvaluator()
    evaluator.update(scene_of(painted()), None, None)
    assert evaluator.compute()["images"] == 1


SCENE = scene_of(painted((26000, 5, 5, 25, 25)))
CALLS = {
    "another size of instances": (
        lambda e: e.update(SCENE, Instances.empty((40, 57))),
        "57x40 image, the truth is 56x40",
    ),
    "another size of labels": (lambda e: e.update(SCENE, None, np.zeros((41, 56), np.uint8)), "56x41, the truth 56x40"),
    "no id": (lambda e: e.update(SCENE, None, np.full((40, 56), 255)), "predicted id 255 is no id"),
    "negative id": (lambda e: e.update(SCENE, None, np.full((40, 56), -1)), "predicted id -1 is no id"),
    "twice": (lambda e: [e.update(SCENE, predicted()) for _ in range(2)], "scored twice"),
    "merged twice": (lambda e: [e.merge(filled([SCENE], [Prediction(predicted())])) for _ in range(2)], "scored twice"),
    "uneven": (
        lambda e: [
            e.update(SCENE, predicted()),
            e.update(scene_of(SCENE.instance_ids_HW, "b"), None, SCENE.semantic_HW),
        ],
        "b: this image gives pixels to score, those before it instances",
    ),
    "other settings": (lambda e: e.merge(CityscapesEvaluator(boundary=True)), "different settings"),
    "depth of another size": (lambda e: e.update(SCENE, predicted(), depth_HW=np.ones((2, 2))), "depth is 2x2"),
}


@pytest.mark.parametrize("call", CALLS)
def test_a_callers_mistake_is_said_in_one_line(call):
    make, expected = CALLS[call]
    with pytest.raises(PartwiseError, match=expected) as error:
        make(CityscapesEvaluator())
    assert "\n" not in str(error.value)
