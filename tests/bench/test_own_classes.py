"""Models of one's own classes are measured by the names of classes, and never on data of others."""

import numpy as np
import pytest
from coco_trees import annotation, content, write_coco
from tiny_networks import tiny_recipe

from partwise.bench.alarms import bench_alarms
from partwise.bench.models import bench_models
from partwise.bench.robustness import bench_robustness
from partwise.bench.scored_data import data_for
from partwise.bench.views import bench_views
from partwise.data.dataset import open_dataset
from partwise.errors import PartwiseError
from partwise.methods import build_method
from partwise.segmenter import load
from partwise.training.checkpoint import save_model

BOX, OTHER = [2, 2, 14, 2, 14, 14, 2, 14], [20, 4, 28, 4, 28, 18, 20, 18]


def tree(root, *names):
    """Photos with an object of each class, whose categories are numbered in this order."""
    numbers = {name: number for number, name in enumerate(names, 1)}
    shapes = {"car": BOX, "person": OTHER, "cone": OTHER}
    rows = [
        annotation(n, category_id=number, segmentation=[shapes[name]])
        for n, (name, number) in enumerate(numbers.items(), 1)
    ]
    categories = [{"id": number, "name": name} for name, number in numbers.items()]
    write_coco(root / "annotations" / "instances_val.json", content(rows, categories=categories), root / "val")
    return root


@pytest.fixture
def model(tmp_path):
    labels = open_dataset(tree(tmp_path / "own", "car", "person"), "val").label_set
    path = tmp_path / "model.safetensors"
    save_model(path, build_method(tiny_recipe().method, labels), {"recipe": "tiny", "steps": 0})
    return path


def test_categories_in_another_order_are_the_same_data(model, tmp_path):
    segment = load(model, device="cpu")
    first, second = (
        data_for(segment, root, "val") for root in (tmp_path / "own", tree(tmp_path / "turned", "person", "car"))
    )
    assert first.label_set == second.label_set == segment.method.label_set
    assert np.array_equal(first[0].semantic_HW, second[0].semantic_HW)
    assert np.array_equal(first[0].instance_ids_HW, second[0].instance_ids_HW)


@pytest.mark.parametrize("bench", [bench_models, bench_robustness, bench_alarms, bench_views])
def test_data_of_other_classes_are_refused_before_anything_is_measured(bench, model, tmp_path):
    other = tree(tmp_path / "other", "car", "cone")
    asked = str(model) if bench is bench_views else [str(model)]
    with pytest.raises(PartwiseError, match="cone"):
        bench(asked, other, "val", progress=lambda *told: pytest.fail("it has begun"))
