"""What a person sees while something long goes on: on a terminal, and where the output goes to a file."""

import io
import os
import threading
import time
from pathlib import Path

import pytest

from partwise import terminal
from partwise.data import streets
from partwise.terminal import QUIET_SECONDS, Display, Heartbeat, TrainingDisplay, counting


class Clock:
    """Seconds that only pass when told."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch):
    made = Clock()
    monkeypatch.setattr(terminal, "heartbeat", Heartbeat(made))
    monkeypatch.setattr(terminal, "QUIET_SECONDS", QUIET_SECONDS)
    return made


@pytest.fixture
def after(clock, capsys):
    """Lets seconds pass, one by one, and gives the lines that were said meanwhile."""

    def pass_by(seconds: int) -> list[str]:
        for _ in range(seconds):
            clock.now += 1
            terminal.heartbeat.beat()
        said = capsys.readouterr()
        assert not said.out, "progress is no result"
        return said.err.splitlines()

    return pass_by


def threads() -> int:
    return sum(thread.name == "heartbeat" for thread in threading.enumerate())


def test_a_line_every_half_minute_says_what_how_far_how_fast_and_how_long(after):
    with counting("evaluating") as progress:
        lines = []
        for done in range(1, 21):
            lines += after(10)
            progress(done, 100)
        lines += after(10)
    assert len(lines) == 210 // QUIET_SECONDS and QUIET_SECONDS <= 30
    assert lines[0] == "evaluating 2/100, 10.0 s each, 16 min 20 s left"
    assert lines[-1] == "evaluating 19/100, 10.0 s each, 13 min 30 s left"


def test_a_step_that_takes_long_shows_life_and_for_how_long_it_has_taken(after):
    with counting("predicting") as progress:
        progress(1, 3)
        lines = after(80)
        progress(2, 3)
        lines += after(30)
    assert lines[1:3] == ["still working on predicting 1/3, 50 s", "still working on predicting 1/3, 75 s"]
    assert lines[3] == "predicting 2/3, 80.0 s each, 1 min 20 s left"


def test_the_pace_counts_neither_what_was_done_before_nor_the_time_before(after):
    """A count that goes on from an earlier command, and one that follows an hour of something else."""
    with counting("storing") as progress:
        progress(100, 200)
        after(10)
        progress(101, 200)
        assert after(20)[-1] == "storing 101/200, 10.0 s each, 16 min 30 s left"
    with TrainingDisplay() as display:
        display.count("finding", 1965, 1965)
        for step in (1, 1801):
            display.progress(step / 1801, line(step, 0.5))
            after(3600)
        for done in (17, 34):
            after(4)
            display.count("evaluating", done, 530)
        assert after(26)[-1].startswith("evaluating 34/530, 4.2/s, ")


def test_a_command_that_has_not_said_yet_what_it_does_shows_life_too(after):
    assert after(60) == ["still working, 25 s", "still working, 50 s"]


def test_a_note_takes_the_place_of_a_line(after):
    with Display("") as display:
        after(20)
        display.note("loading weights")
        assert after(20) == ["loading weights"]
        assert after(5) == ["still working, 45 s"]


def test_every_part_has_a_pace_of_its_own(after):
    """`check` counts the frames of each split, from 1 to its number."""
    with counting("checking") as progress:
        for done in range(1, 11):
            after(2)
            progress("train", done, 10)
        for done in range(1, 4):
            after(8)
            progress("val", done, 10)
        assert after(6) == ["checking val 3/10, 8.0 s each, 56 s left"]


def test_what_has_no_number_has_no_pace(after):
    with Display("") as display:
        display.count("loading weights", 0, 0)
        display.count("drawing", 0, 4)
        assert after(26) == ["still working on drawing 0/4, 25 s"]


@pytest.mark.parametrize("how", ["terminal", "quiet"])
def test_nothing_is_said_beside_a_bar_nor_beside_the_main_process(how, after, monkeypatch):
    file = io.StringIO()
    shown = terminal.errors
    if how == "terminal":
        shown = terminal._ErrorConsole(file=file, force_terminal=True, width=100, color_system=None)
    monkeypatch.setattr(terminal, "errors", shown)
    with TrainingDisplay(quiet=how == "quiet") as display:
        display.count("evaluating [a]", 3, 10)
        display.bar.refresh()
        assert after(100) == []
    assert ("evaluating [a] 3/10" in file.getvalue()) == (how == "terminal")
    after(0)
    monkeypatch.setattr(terminal, "errors", terminal._ErrorConsole(file=io.StringIO()))
    after(26)
    assert "still working" in terminal.errors.file.getvalue(), "after it, lines are said again"


def line(step: int, steps_a_second: float) -> dict:
    return {"step": step, "seconds": step / steps_a_second, "loss": 1.0}


def test_the_rate_is_that_of_the_last_seconds_also_in_a_second_run(after):
    """A pipeline and a contest show several runs; each counts steps and seconds from its own beginning."""
    said = []
    with TrainingDisplay() as display:
        for speed in (2.0, 5.0):
            for step in (1, 11, 41):
                display.progress(step / 41, line(step, speed))
                said += after(26)
    assert said[0] == "training 2 %, step 1, loss 1.000"
    assert said[1] == "training 27 %, step 11, 2.00 steps/s, 15 s left, loss 1.000"
    assert "2.00 steps/s" in said[2]
    assert "steps/s" not in said[3]
    assert said[5] == "training 100 %, step 41, 5.00 steps/s, 0 s left, loss 1.000"


def test_a_run_that_goes_on_from_a_later_step_is_another_run_too(after):
    """In a contest a run may be resumed after another one has ended: its step is higher, its seconds are fewer."""
    said = []
    with TrainingDisplay() as display:
        for steps, speed in (((1, 41), 2.0), ((50, 80), 5.0)):
            for step in steps:
                display.progress(step / 100, line(step, speed))
                said += after(26)
    assert "2.00 steps/s" in said[1] and "steps/s" not in said[2] and "5.00 steps/s" in said[3]


def test_a_slow_step_of_any_command_shows_life_and_the_thread_ends_with_it(says, tmp_path, monkeypatch):
    render = streets.render_dataset

    def slowly(*arguments, **options):
        time.sleep(0.5)
        assert threads() == 1
        render(*arguments, **options)

    monkeypatch.setattr(streets, "render_dataset", slowly)
    monkeypatch.setattr(terminal, "QUIET_SECONDS", 0.1)
    seen = []
    monkeypatch.setattr(terminal, "_say", seen.append)
    said = says("render", tmp_path / "out", "--train", 1, "--val", 0, "--size", "96x48")
    assert seen[0].startswith("still working on rendering, ")
    assert said.startswith("wrote 1 scenes")
    assert threads() == 0


def test_beside_the_main_process_nothing_is_said(says, tmp_path, monkeypatch):
    """Of `torchrun --nproc-per-node 8` one process speaks, also while the others still load their libraries."""
    seen = []
    monkeypatch.setattr(terminal, "_say", seen.append)
    monkeypatch.setattr(terminal, "QUIET_SECONDS", 0.05)
    monkeypatch.setattr(streets, "render_dataset", lambda *arguments, **options: time.sleep(0.2))
    for rank in ("1", "0"):
        assert not seen
        monkeypatch.setenv("RANK", rank)
        says("render", tmp_path / rank, "--train", 1, "--val", 0, "--size", "96x48")
    assert seen


def test_a_command_that_fails_ends_its_thread(complains, tmp_path):
    complains("check", tmp_path / "nowhere")
    assert threads() == 0


def test_used_as_a_library_nothing_is_said_and_no_thread_runs(tmp_path, capfd, monkeypatch):
    monkeypatch.setattr(terminal, "QUIET_SECONDS", 0.01)
    streets.render_dataset(tmp_path, {"val": 1}, (48, 96), progress=lambda done, total: time.sleep(0.05))
    assert threads() == 0 and capfd.readouterr() == ("", "")


def test_the_work_goes_on_where_nobody_reads_what_is_said_of_it(clock, monkeypatch):
    reading, writing = os.pipe()
    os.close(reading)
    monkeypatch.setattr(terminal, "errors", terminal._ErrorConsole(file=os.fdopen(writing, "w")))
    with Display("evaluating") as display:
        display.note("a note")
        clock.now += 30
        assert terminal.heartbeat.beat() == QUIET_SECONDS
    with pytest.raises(BrokenPipeError):  # so this was such a pipe
        terminal.errors.file.close()


def test_a_full_disk_behind_stderr_does_not_end_the_work(monkeypatch):
    monkeypatch.setattr(terminal, "errors", terminal._ErrorConsole(file=Path("/dev/full").open("w")))  # noqa: SIM115
    with Display("evaluating") as display:
        display.note("a note")
    with pytest.raises(OSError, match="space"):
        terminal.errors.file.close()
