"""Scores of Parquet parts are those of the same instances in one go, however the photos are divided."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from partwise.errors import PartwiseError
from partwise.scoring import score
from partwise.shards import parts
from partwise.shards.listing import ListedPhoto, Shard
from partwise.shards.run import predict_shard
from streeteval.evaluator import CityscapesEvaluator
from streeteval.labels import CITYSCAPES
from streeteval.reading.truth import TruthFolder

pytest.importorskip("pyarrow")
SETTINGS = {"label_set": CITYSCAPES.to_dict(), "min_score": {"*": 0.0}, "classes": []}


def cut(name: str, scene):
    """Predictions of a frame: half of the true instances, with scores that depend on the name."""
    rng = np.random.default_rng(len(name) + sum(map(ord, name)))
    truth = scene.instances
    chosen = truth.labels >= 24
    chosen[rng.random(len(truth)) < 0.5] = False
    found = truth[chosen]
    return replace(found, scores=rng.random(len(found)).astype(np.float32))


@pytest.fixture
def run(city_root, tmp_path):
    """Writes parts of the frames of val in some shards; gives the folder and the predictions."""
    truth = TruthFolder(city_root, "val")
    found = {name: cut(name, truth[place]) for place, name in enumerate(truth.names)}

    def write(count: int, photos=None, settings=SETTINGS, folder="parts") -> Path:
        names = [f"val/street/{name}_leftImg8bit.png" for name in found] if photos is None else photos
        listed = [ListedPhoto(Path(name), name) for name in names]
        find = lambda path: found.get(path.stem.removesuffix("_leftImg8bit"), found[truth.names[0]])
        for number in range(1, count + 1):
            predict_shard(find, listed, tmp_path / folder, settings, shard=Shard(number, count), photos_a_part=1)
        return tmp_path / folder

    return write, truth, found


def test_scores_of_parts_equal_the_scores_in_one_go(run, city_root):
    write, truth, found = run
    together = CityscapesEvaluator(CITYSCAPES)
    for place, name in enumerate(truth.names):
        together.update(truth[place], found[name])
    expected = together.compute()
    assert 0 < expected["instance"]["ap"] < 1
    for count in (1, 4):
        figures = score(city_root, "val", predictions=write(count, folder=f"in {count}"))
        assert figures["instance"] == expected["instance"] and figures["images"] == len(truth)
        assert figures["semantic"] is None and not figures["warnings"]


def test_one_row_batch_is_decoded_at_a_time(run, city_root, monkeypatch):
    write, truth, _ = run
    folder, decoded, scored = write(1), [], []
    of_row, update = parts._instances, CityscapesEvaluator.update
    monkeypatch.setattr(parts, "_instances", lambda row: decoded.append(row["name"]) or of_row(row))

    def counted(self, scene, *arguments, **more):
        scored.append(scene.name)
        assert len(decoded) == len(scored)
        return update(self, scene, *arguments, **more)

    monkeypatch.setattr(CityscapesEvaluator, "update", counted)
    assert score(city_root, "val", predictions=folder)["images"] == len(truth) == len(scored)


def test_frames_that_are_not_asked_for_are_not_decoded(run, city_root, monkeypatch):
    write, _, _ = run
    folder, decoded, of_row = write(2), [], parts._instances
    monkeypatch.setattr(parts, "_instances", lambda row: decoded.append(row["name"]) or of_row(row))
    assert score(city_root, "val", predictions=folder, frames=1)["images"] == 1 == len(decoded)


def test_what_was_not_written_or_is_no_frame_is_named(run, city_root):
    write, truth, _ = run
    settings = SETTINGS | {"min_score": {"*": 0.1, "car": 0.3}, "classes": ["car", "bus"]}
    names = [f"{name}.png" for name in truth.names] + ["elsewhere.png"]
    warnings = [one["problem"] for one in score(city_root, "val", predictions=write(1, names, settings))["warnings"]]
    assert warnings == [
        "instances of car with a score below 0.3 were not written",
        "instances of classes other than car, bus were not written",
        "instances with a score below 0.1 were not written",
        "1 photo in the parts but not in the split val",
    ]


def test_parts_that_do_not_fit_the_data_are_refused_in_one_line(run, city_root, complains):
    write, truth, _ = run

    def said(folder) -> str:
        return complains("evaluate", "--data", city_root, "--predictions", folder)

    few = write(1, [f"{truth.names[0]}.png"], folder="few")
    assert "2 of 3 frames have no result" in said(few)
    twice = write(1, [f"{side}/{name}.png" for name in truth.names for side in "ab"], folder="twice")
    assert "both photos" in said(twice)
    other = SETTINGS | {"label_set": {"name": "own", "labels": SETTINGS["label_set"]["labels"][:-1]}}
    assert "has the classes of own" in said(write(1, settings=other, folder="other"))
    good = write(1, folder="good")
    with pytest.raises(PartwiseError, match="--workers 2"):
        score(city_root, "val", predictions=good, workers=2)
    next(iter(parts.part_files(good))).write_bytes(b"PAR1 damaged PAR1")
    assert "delete it and resume the run" in said(good)
