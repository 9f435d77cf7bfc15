"""`partwise bench tracks`: trackers on rendered sequences, with an untrained model and with the truth."""

import json
import sys
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
from tiny_networks import tiny_model

for name in ("trackers", "trackeval"):
    pytest.importorskip(name, reason="needs the extras `video` and `bench`")

from partwise.bench import thresholds  # noqa: E402
from partwise.bench.thresholds import choose_settings  # noqa: E402
from partwise.bench.tracks import bench_tracks, tracks_text  # noqa: E402
from partwise.cli import main  # noqa: E402
from partwise.errors import PartwiseError  # noqa: E402
from partwise.methods import build_method  # noqa: E402
from partwise.recipes import recipe  # noqa: E402
from partwise.training.checkpoint import save_model  # noqa: E402
from partwise.video.tracker import DEFAULT_TRACKING, TrackSettings  # noqa: E402

RESULTS = Path(__file__).parents[2] / "results/tracks.json"


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> str:
    path = tmp_path_factory.mktemp("model") / "m.safetensors"
    save_model(path, build_method(recipe("demo").method), {})
    return str(path)


def test_every_tracker_is_scored_with_both_kinds_of_detections(model, tmp_path, monkeypatch):
    monkeypatch.setattr(thresholds, "VALUES", {"overlap": (0.1, 0.3)})
    parts = []
    figures = bench_tracks(
        model, sequences=2, frames=8, size=(96, 192), choose=1, threads=1, progress=lambda *one: parts.append(one)
    )
    assert json.loads(json.dumps(figures)) == figures
    rows = {(row["detections"], row["tracker"]): row for row in figures["rows"]}
    assert {detections for detections, _ in rows} == {"model", "truth"} and len(rows) >= 8
    ours = rows["truth", "partwise"]
    assert ours["hota"] > 0.5 and ours["idf1"] > 0.5  # a track has no number in its first frame: of 8 frames, much
    assert ours["hota"] > rows["model", "partwise"]["hota"]
    assert all(0 <= row[key] <= 1 for row in rows.values() for key in ("hota", "deta", "assa", "idf1"))
    speed = figures["frames_a_second"]
    assert speed["model"] > speed["model and tracks"] > 0
    assert len(figures["ids"]) == 2 and figures["choice"]["sequences"] == 1
    assert ("frames to report", 16, 16) in parts
    assert "ByteTrack as it comes" in tracks_text(figures)


def test_the_best_value_of_each_threshold_is_taken_until_none_changes():
    best = TrackSettings(low=0.06, high=0.2, start=0.3, overlap=0.2, lost_seconds=1.5, mask_share=0.5)
    seen: list[TrackSettings] = []

    def score(_, settings: TrackSettings) -> dict:
        seen.append(settings)
        gap = sum(abs(a - b) for a, b in zip(asdict(settings).values(), asdict(best).values(), strict=True))
        return {"hota": 1 - gap / 10, "idf1": 1 - gap / 10, "id_changes": 0}

    chosen, told = choose_settings([None], DEFAULT_TRACKING, score)
    assert chosen == best
    assert len(seen) == len(set(seen))
    assert all(row["low"] <= row["high"] <= row["start"] for row in told["rounds"])
    flat, _ = choose_settings([None], DEFAULT_TRACKING, lambda *_: {"hota": 0.5, "idf1": 0.5, "id_changes": 0})
    assert flat == DEFAULT_TRACKING  # a draw changes nothing


def test_the_defaults_are_the_thresholds_that_were_chosen():
    chosen = json.loads(RESULTS.read_text())["settings"]
    assert asdict(replace(DEFAULT_TRACKING)) == chosen


def test_numbers_out_of_range_are_one_line(model, capsys):
    with pytest.raises(PartwiseError, match="give at least"):
        bench_tracks(model, frames=1)
    with pytest.raises(SystemExit) as end:
        main(["bench", "tracks", model, "--sequences", "0"])
    assert end.value.code == 2 and len(capsys.readouterr().err.strip().splitlines()) == 1


def test_what_no_track_can_be_made_of_is_found_before_the_first_frame(model, monkeypatch, tmp_path, fails):
    with pytest.raises(PartwiseError, match="a semantic model finds no instances to follow"):
        bench_tracks(
            str(tiny_model(tmp_path / "fcn.safetensors", semantic=True)), progress=lambda *_: pytest.fail("begun")
        )
    for library in ("trackers", "supervision", "trackeval"):
        with monkeypatch.context() as patch:
            patch.setitem(sys.modules, library, None)
            with pytest.raises(ModuleNotFoundError):
                bench_tracks(model, progress=lambda *_: pytest.fail("begun"))
            assert f"{library} is not installed: pip install 'partwise[" in fails("bench", "tracks", model)


def test_a_tracker_on_boxes_ignores_classes_and_low_scores():
    from partwise.bench.tracks import LibraryTracker
    from streeteval.instances import Instances

    mask_HW = np.zeros((1, 40, 60), bool)
    mask_HW[0, 5:30, 10:40] = True
    tracker = LibraryTracker(10.0, TrackSettings(low=0.3, high=0.3, start=0.4))
    tracks = [tracker.update(Instances.from_masks([label], [0.5], mask_HW))[0] for label in (26, 26, 24)]
    assert tracks == [-1, 0, 0]
    assert tracker.update(Instances.from_masks([26], [0.2], mask_HW)).tolist() == [-1]
