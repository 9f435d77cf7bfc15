"""Distances of instances: from rendered streets, through files and augmentation, to an order by depth."""

import pickle

import numpy as np
import pytest

from partwise.data import open_dataset
from partwise.data.depth import distances_of
from partwise.data.paste import paste_instances
from partwise.data.streets import Streets, render_dataset
from partwise.data.transforms import AugmentConfig, augment
from partwise.errors import PartwiseError
from partwise.scene import Scene

SIZE = (64, 128)


@pytest.fixture(scope="module")
def street() -> Scene:
    return max(Streets(6, SIZE, seed=4), key=lambda one: len(one.instances))


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    root = tmp_path_factory.mktemp("with_depth") / "T"
    render_dataset(root, {"train": 2}, SIZE, 7, depth=True)
    return root


def test_a_rendered_instance_in_front_of_another_is_nearer(street):
    """Where two boxes overlap, the one that keeps more of the shared part was painted later, so it is nearer."""
    distances = distances_of(street)
    ids = np.unique(street.instance_ids_HW[street.instance_ids_HW >= 1000]).tolist()
    assert set(ids) <= set(distances) and all(0 < distances[id_] < 1000 for id_ in ids)
    lowest = {id_: np.nonzero(street.instance_ids_HW == id_)[0].max() for id_ in ids if id_ // 1000 == 26}
    nearest, farthest = (choose(lowest, key=distances.get) for choose in (min, max))
    assert lowest[nearest] >= lowest[farthest]  # on the ground, what is nearer stands lower in the picture


def test_distances_survive_the_files(tree):
    for scene, written in zip(Streets(2, SIZE, 700), open_dataset(tree, "train"), strict=True):
        expected, found = distances_of(scene), distances_of(pickle.loads(pickle.dumps(written)))
        ids = np.unique(scene.instance_ids_HW[scene.instance_ids_HW >= 1000]).tolist()
        assert sorted(found) == ids
        for id_ in ids:
            assert found[id_] == pytest.approx(expected[id_], rel=0.02)  # disparity in steps of 1/256 px


def test_without_depth_one_line_says_what_to_give(tmp_path, street):
    render_dataset(tmp_path / "T", {"train": 1}, SIZE, 7)
    (scene,) = open_dataset(tmp_path / "T", "train")
    bare = Scene("bare", street.image_HW3, street.semantic_HW, street.instance_ids_HW)
    for one in (scene, bare):
        with pytest.raises(PartwiseError, match=f"{one.name}: the distances of its instances are not known: give data"):
            distances_of(one)


def test_a_crop_and_a_paste_keep_the_distances(street):
    config = AugmentConfig(crop=SIZE, scale=(1.0, 1.5))
    cropped = augment(street, np.random.default_rng(0), config, {})
    assert distances_of(cropped) == distances_of(street)
    donor = Streets(1, SIZE, seed=9)[0]
    pasted = paste_instances(cropped, donor, np.random.default_rng(1))
    found = distances_of(pasted)
    ids = np.unique(pasted.instance_ids_HW[pasted.instance_ids_HW >= 1000]).tolist()
    assert set(ids) <= set(found)
    new = set(found) - set(distances_of(cropped))
    assert new and {found[id_] for id_ in new} <= set(distances_of(donor).values())
    bare = Scene(donor.name, donor.image_HW3, donor.semantic_HW, donor.instance_ids_HW)
    assert paste_instances(cropped, bare, np.random.default_rng(1)).distances is None
