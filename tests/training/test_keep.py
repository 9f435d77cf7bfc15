"""Weights that are kept during a run: those before the first step and at shares of the run, also after a stop."""

from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file
from tiny_networks import Watcher, tiny_recipe

from partwise.data.cityscapes import CityscapesFolder
from partwise.errors import PartwiseError
from partwise.training.checkpoint import read_model
from partwise.training.folder import RunFolder
from partwise.training.loop import train
from partwise.training.stopping import Stopped

RECIPE = tiny_recipe(steps=4, keep_at=(0.0, 0.5), checkpoint_every_seconds=0.0)


def interrupt():
    raise KeyboardInterrupt


def test_weights_are_kept_before_the_first_step_and_at_a_share(city_root, tmp_path):
    folder = RunFolder(tmp_path)
    frames = CityscapesFolder(city_root, "train")
    with pytest.raises(Stopped):  # stopped during step 4: the state of step 3 remains
        train(RECIPE, frames, tmp_path, Watcher(4, interrupt), data_name="tiny")
    begin, half = load_file(folder.kept(0.0)), load_file(folder.kept(0.5))
    train(RECIPE, frames, tmp_path, Watcher(), data_name="tiny", resume=True)
    last = load_file(folder.last)
    assert [read_model(folder.kept(share))[1].origin["steps"] for share in (0.0, 0.5)] == [0, 2]
    assert all(torch.equal(begin[key], value) for key, value in load_file(folder.kept(0.0)).items())
    assert any(not torch.equal(begin[key], half[key]) for key in begin)
    assert any(not torch.equal(half[key], last[key]) for key in half)


def test_a_share_outside_the_run_is_refused(city_root, tmp_path):
    with pytest.raises(PartwiseError, match="keep_at"):
        replace(RECIPE.training, keep_at=(1.0,))
