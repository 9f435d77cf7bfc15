"""When bf16 is chosen automatically, and that a resumed run keeps its precision."""

import itertools

import pytest
import torch
from tiny_networks import Watcher, tiny_recipe

from partwise import machine
from partwise.data.cityscapes import CityscapesFolder
from partwise.training import precision
from partwise.training.checkpoint import load_state
from partwise.training.folder import RunFolder
from partwise.training.loop import train


def asked(monkeypatch, ratio: float | None, **capabilities: bool) -> bool:
    """Decide for a CPU with these capabilities; if `ratio` is None, it must not be timed."""

    def timed() -> float:
        assert ratio is not None
        return ratio

    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities, raising=False)
    monkeypatch.setattr(precision, "bf16_over_fp32", timed)
    return precision.gains_from_bf16(torch.device("cpu"))


def test_a_cpu_takes_bf16_where_it_gains(monkeypatch):
    assert asked(monkeypatch, None, amx_bf16=True, avx512_bf16=True)
    assert not asked(monkeypatch, None, avx2=True)
    assert not asked(monkeypatch, None)
    assert asked(monkeypatch, 0.5, avx512_bf16=True)
    assert not asked(monkeypatch, 0.9, avx512_bf16=True)
    assert not asked(monkeypatch, 1.7, avx512_bf16=True)


@pytest.mark.parametrize("busy_from", [12, 6])
def test_the_ratio_is_that_of_the_clock_also_where_other_work_begins_meanwhile(busy_from, monkeypatch):
    """A simulated clock: each reading is a second later, or ten on a busy machine; three times that under autocast.

    Each pass reads it three times, so that there are 12 readings.
    """
    now, readings = [0.0], itertools.count()
    enabled = torch.is_autocast_enabled

    def clock() -> float:
        now[0] += (1 + 2 * enabled("cpu")) * (10 if next(readings) >= busy_from else 1)
        return now[0]

    layer = torch.nn.Conv2d.forward
    monkeypatch.setattr(machine.time, "perf_counter", clock)
    monkeypatch.setattr(torch.nn.Conv2d, "forward", lambda self, image: (clock(), layer(self, image))[1])
    assert precision.bf16_over_fp32(repeats=2) == (2 + 2) / 2


def test_a_run_of_auto_keeps_the_precision_that_it_began_with(city_root, tmp_path, monkeypatch):
    frames, recipe = CityscapesFolder(city_root, "train"), tiny_recipe(precision="auto", steps=4)
    half = tiny_recipe(precision="auto", steps=2)
    states = {}
    for name, answers in (("whole", (True,)), ("cut", (True, False)), ("fp32", (False,))):
        folder = RunFolder(tmp_path / name)
        for number, answer in enumerate(answers):
            monkeypatch.setattr("partwise.training.learner.time_in_bf16", lambda _, answer=answer: 1.0 - answer)
            part = half if len(answers) > 1 and number == 0 else recipe
            train(part, frames, folder.path, Watcher(), data_name="tiny", resume=number > 0)
        states[name] = load_state(folder.state)
    assert (states["whole"]["bf16"], states["cut"]["bf16"], states["fp32"]["bf16"]) == (True, True, False)
