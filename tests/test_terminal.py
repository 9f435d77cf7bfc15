"""What a person sees of a training."""

import pytest

from partwise import terminal
from partwise.terminal import TrainingDisplay


@pytest.fixture
def said(monkeypatch):
    """Notes of a display that writes a line at every step, as it does now and then where there is no terminal."""
    notes = []
    monkeypatch.setattr(terminal, "QUIET_SECONDS", -1.0)
    monkeypatch.setattr(TrainingDisplay, "note", lambda self, text: notes.append(text))
    return notes


def line(step: int, steps_a_second: float) -> dict:
    return {"step": step, "seconds": step / steps_a_second, "loss": 1.0}


def test_the_rate_is_that_of_the_last_seconds_also_in_a_second_run(said):
    """A pipeline and a contest show several runs; each counts steps and seconds from its own beginning."""
    with TrainingDisplay() as display:
        for speed in (2.0, 5.0):
            for step in (1, 11, 41):
                display.progress(step / 41, line(step, speed))
    first, second = said[:3], said[3:]
    assert "2.00 steps/s" in first[1] and "2.00 steps/s" in first[2]
    assert "steps/s" not in second[0]
    assert "5.00 steps/s" in second[2] and "100 %" in second[2]


def test_a_run_that_goes_on_from_a_later_step_is_another_run_too(said):
    """In a contest a run may be resumed after another one has ended: its step is higher, its seconds are fewer."""
    with TrainingDisplay() as display:
        for step in (1, 41):
            display.progress(step / 41, line(step, 2.0))
        for step in (50, 80):
            display.progress(step / 100, line(step, 5.0))
    assert "2.00 steps/s" in said[1] and "steps/s" not in said[2] and "5.00 steps/s" in said[3]
