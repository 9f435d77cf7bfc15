"""Copy-paste: whole instances of another scene lie on top, and every pixel says the truth of the scene it came from."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from partwise.data.loader import DataConfig, Draws, TrainingSamples, training_batches
from partwise.data.paste import paste_instances
from partwise.data.streets import Streets
from partwise.data.transforms import AugmentConfig
from partwise.scene import Scene

SIZE = (128, 256)
BELOW, ABOVE = Streets(2, SIZE, seed=11)
seeds = st.integers(0, 2**32)


def pasted(seed: int, below: Scene = BELOW, above: Scene = ABOVE, classes=None) -> Scene:
    return paste_instances(below, above, np.random.default_rng(seed), classes)


def things_of(scene: Scene) -> list[int]:
    return [value for value in np.unique(scene.instance_ids_HW).tolist() if value >= 1000]


def id_scene(ids_HW: np.ndarray, grey: int) -> Scene:
    semantic = np.where(ids_HW >= 1000, ids_HW // 1000, ids_HW).astype(np.uint8)
    return Scene("", np.full((*ids_HW.shape, 3), grey, np.uint8), semantic, ids_HW.astype(np.int32))


@given(seeds)
@settings(max_examples=30, deadline=None)
def test_whole_instances_lie_on_top_and_the_rest_is_as_it_was(seed):
    made = pasted(seed)
    new = ~np.isin(made.instance_ids_HW, things_of(BELOW)) & (made.instance_ids_HW >= 1000)
    for name in ("image_HW3", "semantic_HW"):
        value = getattr(made, name)
        assert np.array_equal(value[new], getattr(ABOVE, name)[new])
        assert np.array_equal(value[~new], getattr(BELOW, name)[~new])
    assert np.array_equal(made.instance_ids_HW[~new], BELOW.instance_ids_HW[~new])
    for value in np.unique(made.instance_ids_HW[new]).tolist():
        mask = made.instance_ids_HW == value
        (origin,) = np.unique(ABOVE.instance_ids_HW[mask]).tolist()
        assert origin // 1000 == value // 1000
        assert np.array_equal(mask, ABOVE.instance_ids_HW == origin)


def test_about_half_of_the_instances_are_pasted_and_the_donor_stays_as_it_is():
    before, count = ABOVE.instance_ids_HW.copy(), len(things_of(ABOVE))
    street = id_scene(np.full(SIZE, 7, np.int32), 0)
    shares = [len(things_of(pasted(seed, street))) / count for seed in range(60)]
    assert count >= 5 and 0.4 < np.mean(shares) < 0.6 and len(set(shares)) > 2
    assert np.array_equal(ABOVE.instance_ids_HW, before)


def test_only_wanted_classes_are_pasted_and_groups_never():
    ids = np.full((20, 20), 7, np.int32)
    ids[:5], ids[5:10], ids[10:15] = 26000, 24000, 26  # a car, a person, a group of cars
    donor, street = id_scene(ids, 200), id_scene(np.full((20, 20), 7, np.int32), 0)
    found = [set(things_of(pasted(seed, street, donor, {26}))) for seed in range(20)]
    assert {26000} in found and set() in found and all(one <= {26000} for one in found)
    assert all((pasted(seed, street, donor).semantic_HW[10:] == 7).all() for seed in range(20))


def test_a_class_whose_numbers_are_used_up_takes_no_more():
    full, ids = np.full((20, 20), 7, np.int32), np.full((20, 20), 7, np.int32)
    full[0, 0], ids[5:10] = 26999, 26000
    for seed in range(10):
        made = pasted(seed, id_scene(full, 0), id_scene(ids, 200))
        assert things_of(made) == [26999] and (made.image_HW3 == 0).all()


@pytest.mark.parametrize("workers", [0, 2])
def test_samples_with_paste_are_functions_of_seed_and_draw(workers):
    scenes = list(Streets(4, SIZE, seed=11))
    config = DataConfig(augment=AugmentConfig(crop=(64, 96)), paste=1.0, workers=workers)
    targets = lambda scene: {"ids": torch.from_numpy(scene.instance_ids_HW.copy())}
    once = TrainingSamples(scenes, targets, replace(config, workers=0), 3)
    for step, (images, found) in enumerate(itertools.islice(training_batches(once, Draws(1)), 4)):
        image, expected = once[step]
        assert torch.equal(images[0], image) and torch.equal(found[0]["ids"], expected["ids"])
    resumed = TrainingSamples(scenes, targets, config, 3)
    images, _ = next(training_batches(resumed, Draws(1, first_step=3)))
    assert torch.equal(images[0], once[3][0])


def test_the_share_of_samples_with_pasted_instances_and_none_without():
    cars = np.full(SIZE, 7, np.int32)
    cars[40:90, 60:200] = 26000
    street, car = id_scene(np.full(SIZE, 7, np.int32), 0), id_scene(cars, 200)
    still = AugmentConfig(crop=SIZE, scale=(1, 1), flip=0, photometric=0, centre_instance=0)

    def share(paste: float) -> float:
        samples = TrainingSamples([street, car], lambda scene: {}, DataConfig(augment=still, paste=paste), 0)
        made = [samples.scene(draw) for draw in range(400)]
        empty = [scene for scene in made if not (scene.image_HW3[0, 0] == 200).all()]
        return np.mean([bool(things_of(scene)) for scene in empty])

    # The car is the donor in half of the cases, and pasted in half of those.
    assert share(0.0) == 0.0 and abs(share(0.8) - 0.8 / 4) < 0.08
