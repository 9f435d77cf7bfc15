"""A contest of recipes refuses what does not fit before it trains, keeps all that it did, and goes on after a stop."""

import json
import shutil
import signal

import numpy as np
import pytest
from PIL import Image
from tiny_networks import Watcher

from partwise.bench import baselines, contest_figures, contest_scores
from partwise.bench.baselines import bench_baselines
from partwise.bench.contest import Contest
from partwise.bench.contest_figures import contest_text
from partwise.cli import main
from partwise.data.streets import render_dataset
from partwise.errors import PartwiseError
from partwise.folder_lock import FolderLock
from partwise.scoring import score
from partwise.training.folder import RunFolder
from partwise.training_data import TrainingData

PAIR = ("parts_light", "centres_light")
QUICK = (
    *("method.channels=8", "backbone_weights=random", "data.augment.crop=[64,64]", "data.workers=0"),
    *("data.rendered_share=0", "data.repeat_threshold=0", "optim.warmup_steps=1", "training.precision=no"),
)
CURVE = Contest(PAIR, QUICK, minutes=0.01, seeds=2, at=(0.006, 0.002), frames=1)
SCORED = ("recipe", "seed", "steps", "ap", "ap50", "interval")


@pytest.fixture(scope="module", autouse=True)
def quick():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(baselines, "TIMED_SIZES", ((64, 96),))
        patch.setattr(contest_scores, "BOOTSTRAP_DRAWS", 50)
        patch.setattr(contest_scores, "segmenter_ms", lambda segment, size: 1.5)
        patch.setattr(contest_figures, "compare", lambda a, b, compare=contest_figures.compare: compare(a, b, draws=50))
        yield


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A tree of its own; the first frame of val has no instance."""
    root = tmp_path_factory.mktemp("contest") / "T"
    render_dataset(root, {"train": 3, "val": 2}, size=(64, 128), seed=1)
    first = sorted((root / "gtFine" / "val").rglob("*_instanceIds.png"))[0]
    labels = first.with_name(first.name.replace("instanceIds", "labelIds"))
    shown = np.array(Image.open(labels))
    shown[np.array(Image.open(first)) >= 1000] = 7
    shown[(shown >= 24) & (shown <= 33)] = 7
    Image.fromarray(shown).save(labels)
    Image.fromarray(shown.astype(np.uint16)).save(first)
    return root


@pytest.fixture(scope="module")
def curve(data, tmp_path_factory):
    """(folder, figures of a process with seed 0, figures of the one with seed 1, all that each of them kept)."""
    out, kept = tmp_path_factory.mktemp("curve") / "out", {0: [], 1: []}
    figures = [
        bench_baselines(_with(CURVE, frames=2, own_seeds=(seed,)), TrainingData(data), out, Watcher(), keep=keep.append)
        for seed, keep in kept.items()
    ]
    return out, *figures, kept


def _with(contest, **fields):
    return Contest(**(vars(contest) | fields))


def _scores_of(figures):
    return [{key: row[key] for key in SCORED} for row in figures["results"]]


def test_processes_with_seeds_of_their_own_make_one_contest(curve, data):
    out, first, second, kept = curve
    assert not first["complete"] and {row["seed"] for row in first["results"]} == {0}
    assert second["complete"] and kept[1][-1] == second and json.loads(json.dumps(second)) == second
    assert [(row["recipe"], row["seed"]) for row in second["results"]] == [(n, s) for s in (0, 1) for n in PAIR]
    assert _scores_of(second)[:2] == _scores_of(first)
    assert [one["seed"] for one in second["differences"]["centres_light"]] == [0, 1]
    assert all(("ms" in row) == (row["seed"] == 0) for row in second["results"])
    watcher = Watcher()
    again = bench_baselines(_with(CURVE, frames=2), TrainingData(data), out, watcher, watcher.count)
    assert watcher.counted().keys() == {"comparing"} and not watcher.records, "nothing is trained or scored again"
    assert again["curve"] == second["curve"] and again["differences"] == second["differences"]


def test_the_curve_has_each_minute_of_each_training_with_its_interval(curve, data):
    out, _, figures, _ = curve
    rows = {(row["recipe"], row["seed"], row["minutes"]): row for row in figures["curve"]}
    assert list(rows) == [(name, seed, at) for seed in (0, 1) for name in PAIR for at in (0.002, 0.006, 0.01)]
    for (name, seed, minute), row in rows.items():
        share = minute / CURVE.minutes
        folder = RunFolder(out / f"{name}_{seed}")
        file = folder.last if minute == CURVE.minutes else folder.kept(share)
        alone = score(data, "val", model=str(file))["instance"]
        assert row["ap"] == alone["ap"] and row["ap50"] == alone["ap50"]
        assert row["interval"].keys() == {"ap", "ap50"}
        assert ("difference" in row) == (name != PAIR[0])
        if name != PAIR[0]:
            found = row["difference"]["ap"]
            assert found["b"] == row["ap"] and found["a"] == rows[PAIR[0], seed, minute]["ap"]
    for name in PAIR:
        steps = [rows[name, 0, minute]["steps"] for minute in (0.002, 0.006, 0.01)]
        assert 1 <= steps[0] <= steps[1] <= steps[2]
    text = contest_text(figures)
    assert "recipe seed minutes steps AP 95 % interval" in " ".join(text.split()) and "the same command" not in text


def test_figures_are_kept_after_each_training_and_each_scoring(curve):
    kept = curve[3][0]
    assert len(kept) >= 2 * (1 + 3 + 1)  # two trainings: each once trained, thrice scored, once timed
    trained, scored = kept[0]["results"], kept[1]["results"]
    assert [row["recipe"] for row in trained] == ["parts_light"] and "ap" not in trained[0] and "ap" in scored[0]
    assert all(contest_text(figures) for figures in kept)


def test_a_stopped_contest_goes_on_where_it_stopped(data, tmp_path):
    contest, kept = _with(CURVE, seeds=1, at=()), []

    def keep(figures):
        kept.append(figures)
        if len(kept) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        bench_baselines(contest, TrainingData(data), tmp_path, Watcher(), keep=keep)
    known = _scores_of(kept[-1])
    watcher, again = Watcher(), []
    figures = bench_baselines(contest, TrainingData(data), tmp_path, watcher, watcher.count, again.append)
    assert watcher.records[0]["step"] == 1, "the second recipe was not begun before"
    assert "scoring centres_light" in watcher.counted() and "scoring parts_light" not in watcher.counted()
    assert all(_scores_of({"results": one["results"][:1]}) == known for one in again) and figures["complete"]


def test_an_unfinished_training_is_scored_as_far_as_it_has_come(curve, data, tmp_path):
    """Of the second recipe the last minute of the curve and the end are missing, and no minute is scored."""
    contest, out = _with(CURVE, frames=2, seeds=1), tmp_path / "out"
    for name in PAIR:
        shutil.copytree(curve[0] / f"{name}_0", out / f"{name}_0")
    folder = RunFolder(out / f"{PAIR[1]}_0")
    for file in [folder.kept(0.6), *folder.path.glob("scored_*.json")]:
        file.unlink()
    values = json.loads(folder.run.read_text())
    del values["finished"]
    folder.run.write_text(json.dumps(values))
    watcher = Watcher()
    figures = bench_baselines(contest, TrainingData(data), out, watcher, watcher.count, train=False)
    assert not watcher.records and list(watcher.counted()) == [f"scoring {PAIR[1]} at 0.002 min", "comparing"]
    assert [row["recipe"] for row in figures["results"]] == [PAIR[0]] and not figures["complete"]
    before = [row for row in curve[1]["curve"] if row["seed"] == 0]
    assert figures["curve"] == [*before[:3], before[3]], "the same figures as those of the finished training"


def test_nothing_to_score_is_said_without_a_folder(data, tmp_path):
    with pytest.raises(PartwiseError, match="out: no training there has weights to score yet: train first, without"):
        bench_baselines(CURVE, TrainingData(data), tmp_path / "out", Watcher(), train=False)
    assert not (tmp_path / "out").exists()


def test_scores_without_a_value_are_null_and_a_dash(data, tmp_path, says):
    """The one frame that is scored has no instance: AP has no value."""
    file, options = tmp_path / "figures.json", ["--minutes", "0.005", "--seeds", "2", "--at", "0.002", "--frames", "1"]
    recipes = [part for name in PAIR for part in ("--recipe", name)]
    said = says(
        "bench", "baselines", "--data", data, "--out", tmp_path / "out", *recipes, *options, "--json", file, *QUICK
    )
    figures = json.loads(file.read_text())
    assert f"wrote {file}" in said and figures["complete"] and len(figures["results"]) == 4
    assert all(row["ap"] is None and row["interval"]["ap"] in (None, [None, None]) for row in figures["results"])
    assert figures["seeds"]["parts_light"] == {key: {"mean": None, "sd": None} for key in ("ap", "ap50")}
    assert "– to" not in said
    lines = [line.split() for line in said.splitlines() if line.startswith(PAIR) and "against" not in line]
    assert len(lines) == 4 + 8 and all(line[3 if n < 4 else 4] == "–" for n, line in enumerate(lines))


def _of_other_data(root, folder):
    """A tree of the same name with frames of the same names, of which one has other truth."""
    shutil.copytree(root, folder / root.name)
    file = sorted((folder / root.name / "gtFine" / "train").rglob("*_labelIds.png"))[0]
    Image.fromarray(np.flipud(np.array(Image.open(file)))).save(file)
    return TrainingData(folder / root.name)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"minutes": 0.02}, "training.minutes 0.01 -> 0.02"),
        ({"at": ()}, "training.keep_at"),
        ({"overrides": (*QUICK, "optim.lr=0.5")}, "optim.lr 0.001 -> 0.5"),
        ({"data": True}, "the names of the frames, their classes or the files of their truth"),
        ({"folders": ("parts_light_0", "parts_light_1")}, "training.seed 0 -> 1"),
        ({"folders": ("parts_light_0", "centres_light_0")}, "name parts_light -> centres_light"),
    ],
)
def test_a_training_with_other_settings_is_refused(change, expected, curve, data, tmp_path):
    out, contest, given = tmp_path / "out", _with(CURVE, seeds=1), TrainingData(data)
    shutil.copytree(curve[0], out)
    if change.pop("data", False):
        given = _of_other_data(data, tmp_path)
    if folders := change.pop("folders", None):
        was, now = (out / folder for folder in folders)
        shutil.rmtree(now)
        was.rename(now)
        contest = _with(contest, seeds=2)
    watcher = Watcher()
    with pytest.raises(PartwiseError) as error:
        bench_baselines(_with(contest, **change), given, out, watcher, watcher.count)
    said = str(error.value)
    assert expected in said and "_0: was" in said.replace("_1: was", "_0: was") and "another --out" in said
    assert "\n" not in said and not watcher.records and not watcher.counts


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"recipes": (*PAIR, "parts_ligth")}, "parts_light"),
        ({"recipes": (*PAIR, "parts_light")}, "--recipe parts_light: is given 2 times"),
        ({"recipes": ("parts_light", "mask_rcnn_light"), "overrides": (*QUICK, "method.heads=separable")}, "heads"),
        ({"recipes": (*PAIR, "fcn")}, "the stages of fcn share the minutes"),
        ({"overrides": (*QUICK[:2], "data.augment.crop=[64,65]")}, "crop"),
        ({"overrides": (*QUICK, "backbone_weights=nowhere.pth")}, "nowhere.pth"),
        ({"overrides": (*QUICK, "teacher=nowhere")}, "nowhere"),
        ({"overrides": (*QUICK, "training.seed=3")}, "--seeds decides this"),
        ({"overrides": (*QUICK, "training.steps=3")}, "--minutes decides this"),
        ({"own_seeds": (2,)}, "--seed 2: --seeds 2 has the seeds 0 to 1"),
        ({"at": (0.01,)}, "--at 0.01: give a minute above 0 and below --minutes 0.01"),
        ({"at": (0.005, 0.0050001)}, "farther apart"),
        ({"minutes": float("inf")}, "give numbers above 0"),
    ],
)
def test_what_is_wrong_is_found_before_the_first_training(change, expected, data, tmp_path):
    with pytest.raises(PartwiseError, match=expected) as error:
        bench_baselines(_with(CURVE, **change), TrainingData(data), tmp_path / "out", Watcher())
    assert "\n" not in str(error.value) and not (tmp_path / "out").exists()


def test_data_that_the_last_recipe_cannot_learn_are_found_before_the_first_training(data, tmp_path):
    """fcn8s needs pixels alone; part maps need an instance."""
    for file in (data / "gtFine").rglob("*.png"):
        there = tmp_path / "T" / file.relative_to(data)
        there.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((64, 128), 7, np.uint16 if "instanceIds" in file.name else np.uint8)).save(there)
    shutil.copytree(data / "leftImg8bit", tmp_path / "T" / "leftImg8bit")
    contest = Contest(("fcn8s", "parts_light"), QUICK, minutes=0.01)
    with pytest.raises(PartwiseError, match="no instance of an evaluated class"):
        bench_baselines(contest, TrainingData(tmp_path / "T"), tmp_path / "out", Watcher())
    assert not (tmp_path / "out").exists()


def test_a_seed_is_trained_by_one_process_at_a_time(data, tmp_path):
    contest = _with(CURVE, own_seeds=(1,))
    with FolderLock(tmp_path, "seed_1.lock").held(print), pytest.raises(PartwiseError, match="with seed 1 is writing"):
        bench_baselines(contest, TrainingData(data), tmp_path, Watcher())
    assert not list(tmp_path.glob("*_light_*"))


def test_a_damaged_score_is_made_again(curve, data, tmp_path):
    out = tmp_path / "out"
    shutil.copytree(curve[0], out)
    contest = _with(CURVE, frames=2)
    held = json.loads((out / "parts_light_0" / "scored_last.json").read_text())
    (out / "parts_light_0" / "scored_last.json").write_text(json.dumps(held | {"records": 3}))
    watcher = Watcher()
    figures = bench_baselines(contest, TrainingData(data), out, watcher, watcher.count)
    assert "scoring parts_light" in watcher.counted() and figures["curve"] == curve[2]["curve"]


def test_the_command_says_that_it_goes_on_without_further_options(data, tmp_path, capsys):
    watcher = Watcher(at_step=1, do=lambda: signal.raise_signal(signal.SIGINT))
    with pytest.raises(KeyboardInterrupt, match="the same command goes on"):
        bench_baselines(_with(CURVE, minutes=5.0, at=()), TrainingData(data), tmp_path, watcher)
    with pytest.raises(SystemExit) as end:
        main(["bench", "baselines", "--data", str(data), "--out", str(tmp_path), "--minutes", "0"])
    assert end.value.code == 2 and len(capsys.readouterr().err.strip().splitlines()) == 1
