"""Every recipe is a whole configuration: it survives JSON, builds its network, and learns from its own targets."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from partwise.data.streets import Streets
from partwise.data.transforms import augment
from partwise.errors import PartwiseError
from partwise.methods import FcnConfig, build_method
from partwise.recipes import PIPELINES, RECIPES, recipe
from partwise.training.config import recipe_from_dict, recipe_to_dict


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_survives_json(name):
    made = recipe(name)
    assert made.name == name
    assert made.about
    again = recipe_from_dict(json.loads(json.dumps(recipe_to_dict(made))))
    assert recipe_to_dict(again) == recipe_to_dict(made)


@pytest.mark.parametrize("name", RECIPES)
def test_a_step_on_a_rendered_street_gives_finite_terms(name, scenes):
    made = recipe(name)
    config = made.method
    small = replace(config, channels=32)  # the report's 4096 channels take minutes
    method = build_method(small).train()
    crop = replace(made.data.augment, crop=(64, 128))
    scene = augment(scenes[0], np.random.default_rng(0), crop, {})
    image = torch.tensor(scene.image_HW3).permute(2, 0, 1)[None]
    terms = method.loss(method(image), [method.targets(scene)])
    assert all(torch.isfinite(term) for term in terms.values())


@pytest.mark.parametrize("name", RECIPES)
def test_crops_fit_the_network(name):
    made = recipe(name)
    assert all(side % 32 == 0 for side in made.data.augment.crop)


@pytest.mark.parametrize("name", PIPELINES)
def test_the_stages_of_a_pipeline_exist_and_share_the_time(name):
    assert sum(PIPELINES[name].values()) == pytest.approx(1.0)
    assert all(stage in RECIPES for stage in PIPELINES[name])


def test_the_fcn_pipeline_refines_its_stride():
    strides = [recipe(stage).method.output_stride for stage in PIPELINES["fcn"]]
    assert strides == [32, 16, 8]
    assert all(isinstance(recipe(stage).method, FcnConfig) for stage in PIPELINES["fcn"])


def test_a_misspelt_recipe_is_answered_with_the_nearest():
    with pytest.raises(PartwiseError, match="did you mean 'fcn8s'"):
        recipe("fcn8")


def test_rendered_streets_are_never_the_same_twice():
    streets = Streets(3, (64, 128), seed=5)
    assert not (streets[0].image_HW3 == streets[1].image_HW3).all()
