"""The contest of recipes: same data, minutes and seeds, one evaluator, and nothing is trained twice."""

import functools

import numpy as np
import pytest
from tiny_networks import Watcher

from partwise.bench import baselines, contest_figures, models
from partwise.bench.baselines import bench_baselines
from partwise.bench.contest import Contest
from partwise.bench.contest_figures import contest_text, over_seeds
from partwise.data.cityscapes import CityscapesFolder
from partwise.errors import PartwiseError
from partwise.evaluation.submission import write_submission
from partwise.experiment import TrainingData
from partwise.scene import Prediction

QUICK = (
    *("method.channels=8", "backbone_weights=random", "data.augment.crop=[64,64]", "data.workers=0"),
    *("data.rendered_share=0", "data.repeat_threshold=0", "optim.warmup_steps=1"),
)


@pytest.fixture(scope="module")
def contest(city_root, module_folder):
    """(figures, notes of a second call) of two tiny trainings and a perfect prediction."""
    out = module_folder
    scene = CityscapesFolder(city_root, "val")[0]
    things = [label.id for label in scene.label_set.things]
    truth = scene.instances[np.isin(scene.instances.labels, things)]
    write_submission(scene.name, Prediction(truth, None), out / "perfect")
    contest = Contest(overrides=QUICK, minutes=0.005, frames=1, scales=(0.5,), predictions=(out / "perfect",))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(baselines, "TIMED_SIZES", ((64, 96),))
        patch.setattr(contest_figures, "compare", functools.partial(contest_figures.compare, draws=50))
        for name in ("TIMED_SCENES", "REPEATS"):
            patch.setattr(models, name, 1)
        watcher, again = Watcher(), Watcher()
        figures = bench_baselines(contest, TrainingData(city_root), out, watcher, watcher.count)
        assert {"scoring parts_light", "scoring perfect", "timing parts_light"} <= watcher.counted().keys()
        repeated = bench_baselines(contest, TrainingData(city_root), out, again)
    return figures, repeated, again.notes


def test_every_recipe_is_scored_and_timed(contest):
    rows = {row.get("recipe", row.get("predictions")): row for row in contest[0]["results"]}
    assert rows.keys() == {"mask_rcnn_light", "parts_light", "perfect"}
    for name in ("mask_rcnn_light", "parts_light"):
        assert rows[name]["ms"]["96x64"] > 0 and rows[name]["steps"] >= 1 and rows[name]["parameters"] > 2e6
        assert 0 <= rows[name]["ap"] <= rows[name]["ap50"] < 1
        assert rows[name]["at_scale"]["0.5"].keys() == {"ap", "ap50", "ar100", "class_ap", "size_ap", "size_ap50"}
    assert rows["perfect"]["ap"] == rows["perfect"]["ap50"] == 1.0


def test_ours_is_compared_with_the_peer(contest):
    (row,) = contest[0]["differences"]["parts_light"]
    by_name = {one.get("recipe"): one for one in contest[0]["results"]}
    ap = row["instance.ap"]
    assert ap["difference"] == pytest.approx(by_name["parts_light"]["ap"] - by_name["mask_rcnn_light"]["ap"])


def test_the_table_for_people_has_a_row_each_and_says_what_differs(contest):
    text = contest_text(contest[0])
    lines = text.splitlines()
    assert " ".join(lines[0].split()) == "recipe seed steps AP AP50 AR@100 car AP AP x0.5 ms 96x64"
    by_name = {row.get("recipe", row.get("predictions")): row for row in contest[0]["results"]}
    for line in lines[1:4]:
        name, _seed, _steps, ap, *_ = line.split()
        assert ap == f"{by_name[name]['ap']:.3f}"
    assert lines[4].startswith("parts_light against mask_rcnn_light, seed 0: instance.ap: ") and len(lines) == 6


def test_what_was_trained_is_not_trained_again(contest):
    first, second, notes = contest
    assert sum("trained before" in note for note in notes) == 2
    same = ("recipe", "seed", "steps", "ap", "ap50", "ar100")
    assert [[row.get(key) for key in same] for row in first["results"]] == [
        [row.get(key) for key in same] for row in second["results"]
    ]


@pytest.mark.parametrize("wrong", [{"seeds": 0}, {"minutes": 0.0}, {"recipes": ()}, {"scales": (0.5, 0)}])
def test_numbers_below_one_are_refused(wrong, city_root, tmp_path):
    with pytest.raises(PartwiseError, match=r"give (a number|numbers) above 0"):
        bench_baselines(Contest(**wrong), TrainingData(city_root), tmp_path / "out", Watcher())
    assert not (tmp_path / "out").exists()


def test_several_seeds_are_told_by_mean_and_standard_deviation(contest):
    figures = contest[0]
    assert figures["seeds"]["parts_light"]["ap"]["sd"] is None and "trainings" not in contest_text(figures)
    rows = [{"ap": ap, "ap50": 2 * ap} for ap in (0.1, 0.2, 0.6)]
    assert over_seeds(rows)["ap"] == {"mean": pytest.approx(0.3), "sd": pytest.approx(0.07**0.5)}
    several = figures | {"seeds": {"parts_light": over_seeds(rows)}}
    several["contest"] = figures["contest"] | {"seeds": 3}
    first = next(row for row in figures["results"] if row.get("recipe") == "parts_light")
    several["results"] = [first | {"seed": seed} | row for seed, row in enumerate(rows)]
    assert "parts_light: AP 0.300 +- 0.265, AP50 0.600 +- 0.529, mean and standard deviation" in contest_text(several)
