"""Small scenes and predictions to score, drawn by hand or by hypothesis."""

import numpy as np
from hypothesis import strategies as st

from partwise.scene import Scene
from streeteval.instances import Instances
from streeteval.labels import INSTANCE_FACTOR

HEIGHT, WIDTH = 40, 56
# Void, ignored classes, evaluated classes, groups, instances, caravans as region and as instance.
TRUTH_IDS = [0, 4, 7, 11, 24, 26, 29, 33, 24000, 24001, 25000, 26000, 26001, 26002, 27000, 29000, 30000, 33000]


def scene_of(ids_HW, name="aachen_000000_000019", semantic_HW=None) -> Scene:
    """A scene from a map of instance ids; its labelIds follow from them."""
    ids_HW = np.asarray(ids_HW, np.int32)
    if semantic_HW is None:
        semantic_HW = np.where(ids_HW >= INSTANCE_FACTOR, ids_HW // INSTANCE_FACTOR, ids_HW)
    image_HW3 = np.zeros((*ids_HW.shape, 3), np.uint8)
    return Scene(name, image_HW3, np.asarray(semantic_HW).astype(np.uint8), ids_HW)


def painted(*rectangles, background=7, size=(HEIGHT, WIDTH)) -> np.ndarray:
    """(H, W) int32 with (value, x0, y0, x1, y1) painted one after the other."""
    ids_HW = np.full(size, background, np.int32)
    for value, x0, y0, x1, y1 in rectangles:
        ids_HW[y0:y1, x0:x1] = value
    return ids_HW


def predicted(*rectangles, size=(HEIGHT, WIDTH)) -> Instances:
    """Rectangular predictions (label, score, x0, y0, x1, y1)."""
    masks = [painted((1, *box), background=0, size=size) for _, _, *box in rectangles]
    return Instances.from_masks([r[0] for r in rectangles], [r[1] for r in rectangles], masks, size)


@st.composite
def boxes(draw):
    x0, y0 = draw(st.integers(0, WIDTH - 2)), draw(st.integers(0, HEIGHT - 2))
    return x0, y0, draw(st.integers(x0 + 1, WIDTH)), draw(st.integers(y0 + 1, HEIGHT))


@st.composite
def random_scenes(draw, names=("ulm_000000_000019", "ulm_000001_000019")):
    """One or two scenes with truth of every kind."""
    scenes = []
    for name in names[: draw(st.integers(1, len(names)))]:
        rectangles = draw(st.lists(st.tuples(st.sampled_from(TRUTH_IDS), boxes()), max_size=7))
        scenes.append(scene_of(painted(*((value, *box) for value, box in rectangles)), name))
    return scenes


@st.composite
def random_instances(draw, scene: Scene):
    """Predictions near the truth (its own masks, shifted) and anywhere, with few distinct scores so that some tie."""
    masks, labels, scores = [], [], []
    labels_of_things = st.sampled_from([24, 25, 26, 26, 29, 33])
    for _ in range(draw(st.integers(0, 6))):
        if draw(st.booleans()):
            value = draw(st.sampled_from(np.unique(scene.instance_ids_HW).tolist()))
            shift = draw(st.tuples(st.integers(-2, 2), st.integers(-2, 2)))
            masks.append(np.roll(scene.instance_ids_HW == value, shift, (0, 1)))
            own = value // INSTANCE_FACTOR if value >= INSTANCE_FACTOR else value
            labels.append(own if own in (24, 25, 26, 27, 33) else draw(labels_of_things))
        else:
            masks.append(painted((1, *draw(boxes())), background=0))
            labels.append(draw(labels_of_things))
        scores.append(draw(st.sampled_from([-1.0, 0.0, 0.25, 0.5, 0.5, 0.75, 1.0])))
    return Instances.from_masks(labels, scores, masks, scene.size)


@st.composite
def random_semantic(draw, scene: Scene):
    """The true label ids with rectangles of other ids, ignored ones too, painted over."""
    semantic_HW = scene.semantic_HW.copy()
    ids = st.sampled_from([0, 7, 8, 11, 24, 25, 26, 27, 29, 30, 33])
    for id_, (x0, y0, x1, y1) in draw(st.lists(st.tuples(ids, boxes()), max_size=5)):
        semantic_HW[y0:y1, x0:x1] = id_
    return semantic_HW
