"""The overview of a photo: a large object is found whole, and its pieces are dropped."""

import numpy as np
import pytest

from partwise.data.streets import Streets
from partwise.methods import PartsConfig
from partwise.methods.method import image_batch
from partwise.methods.options import InferenceOptions, seen_sizes
from partwise.methods.parts import PartMaps
from partwise.methods.views import from_near_to_far, overview_size, whole_from_overview
from partwise.scene import Prediction
from streeteval.instances import Instances
from streeteval.labels import CITYSCAPES

SIZE = (100, 200)
CATEGORIES = list(CITYSCAPES.things_by_category)
KIND_OF = {label.id: CATEGORIES.index(label.category) for label in CITYSCAPES.things}
PERSON, CAR, BUS = 24, 26, 28


def found(*rows: tuple[int, float, tuple[int, int, int, int]]) -> Prediction:
    """A prediction of boxes: (class, score, (x0, y0, x1, y1))."""
    masks = []
    for _, _, (x0, y0, x1, y1) in rows:
        mask = np.zeros(SIZE, bool)
        mask[y0:y1, x0:x1] = True
        masks.append(mask)
    return Prediction(Instances.from_masks([r[0] for r in rows], [r[1] for r in rows], masks, SIZE))


def merged(usual: Prediction, overview: Prediction, limit_px: float = 60) -> list[tuple[int, float]]:
    made = whole_from_overview(usual, overview, limit_px, KIND_OF).instances
    assert made.scores.tolist() == sorted(made.scores.tolist(), reverse=True)
    return [(int(label), round(float(score), 2)) for label, score in zip(made.labels, made.scores, strict=True)]


WHOLE = (10, 10, 180, 90)


@pytest.mark.parametrize(
    ("usual", "kept"),
    [
        ((BUS, 0.9, (10, 10, 60, 90)), []),  # a piece, which is cut
        ((CAR, 0.9, (60, 20, 110, 60)), []),  # a piece that was taken for another vehicle
        ((CAR, 0.5, (0, 0, 200, 80)), []),  # larger than the usual view shows whole
        ((PERSON, 0.5, (60, 20, 80, 60)), [(PERSON, 0.5)]),  # somebody in front of it
        ((CAR, 0.5, (150, 0, 199, 20)), [(CAR, 0.5)]),  # beside it
    ],
)
def test_pieces_of_a_large_object_give_way_and_other_objects_stay(usual, kept):
    assert merged(found(usual), found((BUS, 0.6, WHOLE))) == sorted([(BUS, 0.6), *kept], key=lambda one: -one[1])


def test_an_improbable_large_object_replaces_nothing():
    """A row of parked cars may look like one long car from afar."""
    cars = [(CAR, 0.9, (10 + 40 * i, 10, 45 + 40 * i, 90)) for i in range(4)]
    assert merged(found(*cars), found((CAR, 0.05, WHOLE)), limit_px=120)[:4] == [(CAR, 0.9)] * 4


def test_small_objects_of_the_overview_are_not_taken():
    assert merged(found(), found((CAR, 0.9, (10, 10, 30, 20)))) == []


@pytest.mark.parametrize("size", [(512, 1024), (1024, 512), (3000, 4000), (360, 480), (64, 2000)])
def test_an_overview_is_as_long_as_the_largest_object_and_keeps_the_aspect(size):
    seen = seen_sizes(size, view_px=819_200, usual=1.25)[0]
    overview = overview_size(size, seen, largest_px=410)
    if overview is None:
        assert max(seen) <= 1.25 * 410
    else:
        assert max(overview) == 410 < max(seen)
        assert overview[0] / overview[1] == pytest.approx(size[0] / size[1], rel=0.03)


@pytest.mark.parametrize(("width", "score", "views"), [(60, 0.9, 2), (60, 0.01, 1), (20, 0.9, 1)])
def test_a_small_photo_has_an_overview_only_if_something_may_be_cut(width, score, views):
    """A photo of 80 px is between 1.25 and 2 times as long as the largest object of 51 px."""
    method = PartMaps(PartsConfig(channels=8, windows=((4, 8), (4, 16)))).eval()
    mask = np.zeros((40, 80), bool)
    mask[:, :width] = True
    seen = []

    def predict_as_is(images, flip=False):
        seen.append(tuple(images.shape[-2:]))
        found = Prediction(Instances.from_masks([CAR], [score], [mask], (40, 80)))
        return [found.resized(seen[-1])]

    method.predict_as_is = predict_as_is  # type: ignore[method-assign]
    method.predict(image_batch(np.zeros((40, 80, 3), np.uint8)))
    assert len(seen) == views


def test_a_method_without_a_limit_has_no_overview():
    assert overview_size((512, 1024), (640, 1280), float("inf")) is None


@pytest.mark.parametrize("times", [1, 2, 4])
def test_every_object_of_a_street_can_be_found_whole_at_1x_2x_and_4x(times):
    """At every size of a photo one of the views shows each object no larger than the largest window holds."""
    method = PartMaps(PartsConfig(backbone="efficientnet_lite0", channels=8))
    scene = Streets(1, (128 * times, 256 * times), 5, pavement=1.0)[0]
    usual = method.usual_size(scene.size)
    views = [usual, overview_size(scene.size, usual, method.largest_px) or usual]
    for side in scene.instances.longest_sides:
        assert any(side * max(view) / max(scene.size) <= method.largest_px + 1 for view in views)


def test_a_method_predicts_from_the_view_and_the_overview_also_with_a_scale():
    """The network is called at the size of each view; without the overview at one."""
    method = PartMaps(PartsConfig(channels=8, windows=((4, 8), (4, 16)))).eval()
    seen = []
    method.predict_as_is = (
        lambda images, flip=False: (  # type: ignore[method-assign]
            seen.append(tuple(images.shape[-2:])),
            [Prediction(Instances.empty(tuple(images.shape[-2:])))] * len(images),
        )[1]
    )
    image = image_batch(np.zeros((128, 256, 3), np.uint8))
    method.predict(image)
    assert seen == [(128, 256), (26, 51)]
    method.predict(image, InferenceOptions(scale=0.5))
    assert seen[2:] == [(64, 128), (26, 51)]
    method.predict(image, InferenceOptions(scale=0.5, overview=False))
    assert seen[4:] == [(64, 128)]


def test_a_piece_in_a_larger_view_gives_way_to_the_object_of_a_smaller_one():
    """The views are 100, 200 and 400 px long, and a window holds 100 px: 200, 100 and 50 px of the image."""
    bus, piece, person = (BUS, 0.6, WHOLE), (BUS, 0.9, (10, 10, 60, 90)), (PERSON, 0.5, (150, 20, 170, 60))
    too_large = (CAR, 0.8, (0, 0, 90, 40))
    views = [[found(bus)], [found(piece)], [found(piece, person, too_large)]]
    seen = [(50, 100), (100, 200), (200, 400)]

    def kept(largest_px):
        made = from_near_to_far(views, seen, SIZE, largest_px, CITYSCAPES)[0].instances
        return [(int(label), round(float(score), 2)) for label, score in zip(made.labels, made.scores, strict=True)]

    assert kept(100.0) == [(BUS, 0.6), (PERSON, 0.5)]
    assert kept(float("inf")) == [(BUS, 0.9), (CAR, 0.8), (BUS, 0.6), (PERSON, 0.5)]


def test_a_limit_on_pixels_shrinks_large_photos_and_enlarges_none():
    method = PartMaps(PartsConfig(channels=8, decode={"view_px": 20_000, "scale": 1.25}))
    for size in ((300, 400), (3000, 4000), (400, 300), (100, 800)):
        height, width = method.usual_size(size)
        assert height * width == pytest.approx(20_000, rel=0.03)
        assert height / width == pytest.approx(size[0] / size[1], rel=0.05)
    assert method.usual_size((40, 80)) == (50, 100)  # as without a limit
