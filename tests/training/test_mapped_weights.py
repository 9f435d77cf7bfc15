"""A network that starts from a model of other classes: every row of a class comes from where the map says."""

from dataclasses import replace

import pytest
import torch
from tiny_networks import Watcher, tiny_recipe

from partwise.errors import PartwiseError
from partwise.methods import (
    CentresConfig,
    FcnConfig,
    HasClassHeads,
    MaskRcnnConfig,
    PartMaps,
    PartsConfig,
    build_method,
)
from partwise.methods.method import image_batch
from partwise.training.checkpoint import save_model
from partwise.training.class_rows import Blend
from partwise.training.start import start_weights
from streeteval.labels import CITYSCAPES, Label, LabelSet

OWN = LabelSet(
    "own",
    (
        Label("road", 4, 0, "road", False, (1, 1, 1)),
        Label("vehicle", 5, 1, "vehicle", True, (2, 2, 2)),
        Label("cone", 6, 2, "cone", True, (3, 3, 3)),
        Label("person", 7, 3, "person", True, (4, 4, 4)),
    ),
)
MAP = {"vehicle": "car,bus"}
CONFIGS = {
    "parts": PartsConfig(channels=8, semantic_stride_px=2, refine_masks=True),
    "centres": CentresConfig(channels=8, semantic_stride_px=2),
    "fcn": FcnConfig(output_stride=8, channels=8),
    "mask_rcnn": MaskRcnnConfig(channels=8),
}


def started(config, tmp_path, label_set=OWN, names=MAP, scenes=()):
    """(network that starts from a Cityscapes model, the model, the network as it was before, what was noted)."""
    torch.manual_seed(0)
    model, method = build_method(config), build_method(config, label_set)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter)
    before = {name: value.clone() for name, value in method.state_dict().items()}
    save_model(tmp_path / "model.safetensors", model, {"recipe": "tiny", "steps": 0, "weights": "random"})
    watcher = Watcher()
    recipe = replace(tiny_recipe(), method=config)
    start_weights(method, recipe, [str(tmp_path / "model.safetensors")], watcher.note, names, scenes)
    return method, model, before, watcher.notes


@pytest.mark.parametrize("name", CONFIGS)
def test_rows_come_from_the_classes_that_the_map_says(name, tmp_path):
    method, model, before, notes = started(CONFIGS[name], tmp_path)
    state, given = method.state_dict(), model.state_dict()
    assert isinstance(method, HasClassHeads)
    layers = {f"{head.layer}.{kind}": head for head in method.class_heads() for kind in ("weight", "bias")}
    for tensor in state:
        if tensor not in layers:
            assert torch.equal(state[tensor], given[tensor]), tensor
    for tensor, head in layers.items():
        groups = {"evaluated": lambda labels: labels.evaluated, "things": lambda labels: labels.things}[head.classes]
        place = {label.name: i for i, label in enumerate(groups(CITYSCAPES))}
        rows = lambda values, i, head=head: values[head.rows_before :].unflatten(0, (-1, head.rows_each))[i]
        assert torch.equal(state[tensor][: head.rows_before], given[tensor][: head.rows_before])
        for i, label in enumerate(groups(OWN)):
            wanted = {
                "vehicle": lambda: (rows(given[tensor], place["car"]) + rows(given[tensor], place["bus"])) / 2,
                "cone": lambda i=i: rows(before[tensor], i),
            }.get(label.name, lambda label=label: rows(given[tensor], place[label.name]))()
            assert torch.allclose(rows(state[tensor], i), wanted), (tensor, label.name)
    assert any("vehicle" in note and "car, bus" in note for note in notes)
    assert any("cone" in note and "random" in note for note in notes)


@pytest.mark.parametrize("name", CONFIGS)
def test_class_heads_are_all_layers_that_depend_on_the_label_set(name):
    shapes = [
        {name: value.shape for name, value in build_method(CONFIGS[name], labels).state_dict().items()}
        for labels in (CITYSCAPES, OWN)
    ]
    heads = build_method(CONFIGS[name], OWN).class_heads()
    differ = {tensor.rpartition(".")[0] for tensor in shapes[0] if shapes[0][tensor] != shapes[1][tensor]}
    assert differ == {head.layer for head in heads}


def test_classes_that_only_have_other_names_start_with_the_same_probabilities(tmp_path, scenes):
    renamed = LabelSet("renamed", tuple(replace(label, name=f"my {label.name}") for label in CITYSCAPES))
    names = {f"my {label.name}": label.name for label in CITYSCAPES.evaluated}
    method, model, _, _ = started(CONFIGS["parts"], tmp_path, renamed, names, scenes[:2])
    image = image_batch(scenes[3].image_HW3)
    own, given = (one.eval().respond(image)["semantic"].softmax(1) for one in (method, model))
    assert torch.allclose(own, given, atol=1e-4)


def test_several_classes_together_have_nearly_the_sum_of_their_probabilities():
    torch.manual_seed(0)
    logits, places = 3 * torch.randn(2, 500, 6), [(0, 1), (2,), (3, 4, 5), ()]
    wanted = torch.stack([logits[1].softmax(1)[:, list(some)].sum(1) for some in places], dim=1).argmax(1)

    def agreeing(blend):
        made = logits[1] @ blend.weights_KC.T + blend.bias_K
        made[:, 3] = -torch.inf
        return float((made.argmax(1) == wanted).float().mean())

    fitted = agreeing(Blend.fitted(logits[0], places))
    assert fitted > 0.8 and fitted > agreeing(Blend.mean(places, 6)) + 0.1


def test_the_same_classes_start_bit_for_bit_and_say_no_table(tmp_path):
    method, model, _, notes = started(CONFIGS["parts"], tmp_path, CITYSCAPES, None)
    state, given = method.state_dict(), model.state_dict()
    assert all(torch.equal(state[name], given[name]) for name in state)
    assert not any("from" in note and "car" in note for note in notes)


def test_classes_in_another_order_follow_their_names(tmp_path):
    swapped = {"car": "bus", "bus": "car"}
    turned = LabelSet(
        "turned",
        tuple(
            replace(label, train_id=CITYSCAPES[swapped.get(label.name, label.name)].train_id) for label in CITYSCAPES
        ),
    )
    method, model, _, _ = started(CONFIGS["parts"], tmp_path, turned, None)
    rows, given = method.semantic_branch[1].weight, model.semantic_branch[1].weight
    for label in turned.evaluated:
        assert torch.equal(rows[label.train_id], given[CITYSCAPES[label.name].train_id])


def test_a_map_without_a_model_is_one_line():
    recipe = tiny_recipe()
    with pytest.raises(PartwiseError, match="no model is given"):
        start_weights(build_method(recipe.method, OWN), recipe, [], lambda note: None, MAP)


def test_a_method_that_does_not_name_its_layers_is_one_line(tmp_path):
    class Silent(PartMaps):
        class_heads = None

    save_model(tmp_path / "model.safetensors", build_method(CONFIGS["parts"]), {"recipe": "tiny"})
    with pytest.raises(PartwiseError, match="does not say which of its layers"):
        method = Silent(CONFIGS["parts"], OWN)
        start_weights(method, tiny_recipe(), [str(tmp_path / "model.safetensors")], lambda note: None, MAP)
