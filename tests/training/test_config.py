"""Recipes as plain values, and every kind of mistake in one."""

import json

import pytest

from partwise.errors import PartwiseError
from partwise.recipes import RECIPES, recipe
from partwise.training.config import (
    check_recipe,
    leaves,
    method_from_dict,
    override,
    recipe_from_dict,
    recipe_to_dict,
)
from partwise.training.crops import check_crop


@pytest.mark.parametrize("name", RECIPES)
def test_recipe_survives_json(name):
    values = json.loads(json.dumps(recipe_to_dict(recipe(name))))
    assert recipe_to_dict(recipe_from_dict(values)) == values


def test_every_recipe_is_within_its_limits():
    for name in RECIPES:
        check_recipe(recipe(name))


def test_override_changes_that_field_and_no_other():
    before = leaves(recipe_to_dict(recipe("demo")))
    after = leaves(recipe_to_dict(override(recipe("demo"), ["optim.lr=0.5", "data.augment.crop=[64,96]"])))
    assert {key for key in before if before[key] != after[key]} == {"optim.lr", "data.augment.crop"}
    assert after["optim.lr"] == 0.5 and after["data.augment.crop"] == [64, 96]


@pytest.mark.parametrize(
    ("assignment", "words"),
    [
        ("optim.lr", ("write field=value",)),
        ("optim.rl=1", ("optim.rl", "optim.lr")),
        ("nonsense=1", ("nonsense",)),
        ("optim.lr.x=1", ("optim.lr.x",)),
        ("optim.lr=fast", ("optim.lr='fast'", "valid number")),
        ("optim.lr=-1e-3", ("optim.lr=-0.001", "greater than 0")),
        ("optim.lr=NaN", ("optim.lr=nan", "finite number")),
        ("optim.lr=Infinity", ("optim.lr=inf", "finite number")),
        ("optim.lr=null", ("optim.lr=None",)),
        ("optim.name=adagrad", ("optim.name='adagrad'", "'adamw', 'adam' or 'sgd'")),
        ("optim.schedule=stair", ("optim.schedule='stair'", "cosine")),
        ("training.batch_size=0", ("training.batch_size=0", "greater than or equal to 1")),
        ("training.batch_size=1.5", ("training.batch_size=1.5", "integer")),
        ("training.steps=-5", ("training.steps=-5",)),
        ("training.minutes=-1", ("training.minutes=-1",)),
        ("training.precision=fp8", ("training.precision='fp8'", "'no' or 'bf16'")),
        ("training.log_every_steps=0", ("training.log_every_steps=0",)),
        ("data.workers=-1", ("data.workers=-1",)),
        ("data.rendered_share=1.5", ("data.rendered_share=1.5", "less than or equal to 1")),
        ("data.augment.crop=[64]", ("data.augment.crop", "[64]")),
        ("data.augment.crop=[0,64]", ("data.augment.crop.0=0",)),
        ("data.augment.scale=[2,1]", ("data.augment.scale=[2, 1]", "smaller number first")),
        ("data.augment.scale=[0,1]", ("data.augment.scale",)),
        ('data.augment={"crp":[64,64]}', ("crp", "crop")),
        ("optim=3", ("optim=3",)),
        ("method=3", ("method=3",)),
        ('method={"kind":"fnc"}', ("fnc", "fcn")),
        ("method.channels=0", ("method.channels=0",)),
        ("method.frozen_blocks=9", ("method.frozen_blocks=9",)),
        ("method.max_refined_windows=0", ("method.max_refined_windows=0",)),
        ("method.context=[0]", ("method.context.0=0", "greater than or equal to 1")),
        ("method.assign.scale_margin=0", ("method.assign.scale_margin=0",)),
        ("training.seed=1785000000000000000", ("training.seed=1785000000000000000", "less than 4294967296")),
        ("teacher_features=1", ("teacher_features=1", "teacher=MODEL")),
        ("teacher_flip=true", ("teacher_flip=true", "teacher=MODEL")),
        ("teacher_weight=2", ("teacher_weight=2", 'no effect with teacher=""')),
        ("data.rendered_pavement=0.5", ("data.rendered_pavement=0.5", "data.rendered_share=0")),
        ("data.augment.degrade.jpeg_quality=40", ("jpeg_quality=40", "data.augment.degrade.jpeg=0")),
        ("method.refiner_channels=16", ("method.refiner_channels=16", "method.semantic_stride_px=4")),
        ("method.max_refined_windows=16", ("method.max_refined_windows=16", "method.refine_masks=false")),
    ],
)
def test_wrong_override_is_named_in_one_line(assignment, words):
    with pytest.raises(PartwiseError) as caught:
        override(recipe("demo"), [assignment])
    assert "\n" not in str(caught.value)
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize(
    ("name", "assignments"),
    [
        ("parts_fast", ["teacher=", "teacher_flip=false"]),
        ("demo", ["teacher=m.safetensors", "teacher_weight=2", "teacher_flip=true"]),
        ("demo", ["data.rendered_pavement=0"]),
        ("demo", ["data.rendered_pavement=0.5", "data.rendered_share=0.1"]),
        ("demo", ["method.max_refined_windows=16", "method.semantic_stride_px=2", "method.refine_masks=true"]),
        ("parts_free", ["optim.lr=1e-3"]),  # its rendered_pavement is that of parts_fast
        ("fcn32s", ["method.dice_weight=1"]),
    ],
)
def test_fields_that_have_an_effect_or_are_switched_off_are_taken(name, assignments):
    override(recipe(name), assignments)


@pytest.mark.parametrize("features", [0, 0.5])
def test_a_teacher_that_teaches_nothing_is_refused(features):
    given = ["teacher=m.safetensors", "teacher_weight=0", f"teacher_features={features}"]
    if features:
        assert override(recipe("demo"), given).teacher_features == features
        return
    with pytest.raises(PartwiseError, match="teacher_weight and teacher_features are 0"):
        override(recipe("demo"), given)


def test_a_file_of_an_earlier_version_may_hold_fields_without_effect():
    values = recipe_to_dict(recipe("demo")) | {"teacher_flip": True, "teacher_weight": 2.0}
    assert recipe_from_dict(values).teacher_flip


def test_unknown_recipe_names_the_nearest():
    with pytest.raises(PartwiseError, match="'fcn8': did you mean 'fcn8s'"):
        recipe("fcn8")


def test_crop_must_fit_the_backbone_and_the_advice_does():
    check_crop((64, 96), 32)
    with pytest.raises(PartwiseError, match=r"crop=\[60, 96\].*multiples of 32 px: give data.augment.crop=\[64,96\]"):
        check_crop((60, 96), 32)


def test_an_unknown_field_of_a_file_is_named_after_the_file():
    with pytest.raises(PartwiseError, match=r"^model\.safetensors: unknown field of method 'chanels': did you mean"):
        method_from_dict({"kind": "parts", "chanels": 8}, "model.safetensors")


def test_an_unknown_field_is_answered_with_the_nearest_and_not_with_all():
    with pytest.raises(PartwiseError) as raised:
        override(recipe("parts_vgg"), ["method.semantic_stride=2"])
    said = str(raised.value)
    assert "did you mean 'method.semantic_stride_px'?" in said and "partwise config RECIPE lists all" in said
    assert "optim.lr" not in said and len(said) < 300
    with pytest.raises(PartwiseError, match=r"^unknown field 'zzz': partwise config RECIPE lists all \d+$"):
        override(recipe("parts_vgg"), ["zzz=2"])
