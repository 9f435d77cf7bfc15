"""A metric that partwise does not know: merged, drawn, kept, compared and printed without an edit of partwise."""

import json
import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import partwise
import streeteval
from evaluation.scenes import painted, predicted, random_instances, random_scenes, scene_of
from partwise.errors import PartwiseError
from partwise.evaluation.submission import write_submission
from partwise.files import write_json
from partwise.report.tables import MISSING, evaluation_tables
from partwise.scene import Prediction
from partwise.scoring import score
from streeteval.compare import compare, read_records, with_records
from streeteval.evaluator import CityscapesEvaluator
from streeteval.labels import CITYSCAPES
from streeteval.metrics.available import METRICS, OWN_METRICS, find_metric
from streeteval.metrics.metric import Detail, Metric, size_ranges

STRANGER = Path(__file__).resolve().parents[1] / "stranger"
DETAIL = Detail(size_ranges())
CAR, PERSON = (26000, 5, 5, 25, 25), (24000, 30, 5, 40, 25)


@pytest.fixture(scope="module")
def counts() -> Metric:
    """The stranger's metric; its entry point is visible in the test of the command line alone."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(STRANGER)
        from partwise_stranger.counts import CountError
    return CountError(CITYSCAPES)


def filled(metric: Metric, found: list[int], **settings) -> CityscapesEvaluator:
    """Scenes with a car and a person each, and so many predicted cars."""
    evaluator = CityscapesEvaluator(metrics=[metric], **settings)
    for i, cars in enumerate(found):
        scene = scene_of(painted(CAR, PERSON), f"ulm_{i:06}_000019")
        evaluator.update(scene, predicted(*((26, 0.5, 5, 5, 25, 25 - n) for n in range(cars))))
    return evaluator


def test_its_scores_stand_under_its_name(counts):
    scores = filled(counts, [2, 0, 5]).compute()
    assert scores["settings"]["metrics"] == ["counts"]
    assert scores["counts"]["mean_error"] == pytest.approx((0 + 2 + 3) / 3)
    assert scores["counts"]["mean_error car"] == pytest.approx((1 + 1 + 4) / 3)
    assert scores["counts"]["mean_error person"] == 1 and scores["counts"]["mean_error bus"] == 0
    without = CityscapesEvaluator().compute()
    assert "counts" not in without and "metrics" not in without["settings"]
    assert filled(counts, []).compute()["counts"] is None


@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_parts_merge_to_the_whole_and_a_weight_of_n_is_n_images(counts, data):
    scenes = data.draw(random_scenes(("a", "b", "c")))
    weights = data.draw(st.lists(st.integers(0, 3), min_size=len(scenes), max_size=len(scenes)).filter(any))
    whole, *parts, repeated = (CityscapesEvaluator(metrics=[counts]) for _ in range(4))
    for i, (scene, weight) in enumerate(zip(scenes, weights, strict=True)):
        instances = data.draw(random_instances(scene))
        whole.update(scene, instances)
        parts[i % 2].update(scene, instances)
        for n in range(weight):
            repeated.update(scene_of(scene.instance_ids_HW, f"{scene.name}{n}"), instances)
    assert pickle.loads(pickle.dumps(parts[1])).merge(parts[0].fresh().merge(parts[0])).compute() == whole.compute()
    drawn = whole.summarise(np.array([weights]), DETAIL)
    for figure, value in repeated.compute()["counts"].items():
        assert drawn[f"counts.{figure}"][0] == pytest.approx(value), figure


def test_its_headline_figures_have_intervals(counts):
    scores = filled(counts, [1, 2, 3, 4, 5, 6], draws=50).compute()
    low, high = scores["intervals"]["counts.mean_error"]
    assert 0 < low < scores["counts"]["mean_error"] < high < 4
    assert not any(key.startswith("counts.mean_error ") for key in scores["intervals"])


def test_results_compare_from_memory_and_from_files(counts, tmp_path):
    """Fewer errors are better, and the figures are numbers of instances, not fractions."""
    few, many = filled(counts, [2, 3, 2, 3, 2, 3]), filled(counts, [5, 5, 6, 5, 6, 5])
    for name, evaluator in (("few", few), ("many", many)):
        write_json(tmp_path / f"{name}.json", with_records(evaluator))
    again = [read_records(tmp_path / f"{name}.json", metrics=[counts]) for name in ("few", "many")]
    assert again[0].compute() == few.compute()
    differences = compare(few, many, draws=20)["differences"]
    assert differences == compare(*again, draws=20)["differences"]
    row = differences["counts.mean_error"]
    assert (row["a"], row["b"]) == (pytest.approx(0.5), pytest.approx(10 / 3))
    assert row["sentence"].startswith("counts.mean_error: B is worse than A by +2.833 (95 % interval +")
    back = compare(many, few, draws=20)["differences"]["counts.mean_error"]
    assert back["sentence"].startswith("counts.mean_error: B is better than A by -2.833 (95 % interval -")
    assert differences["counts.mean_error car"]["difference"] == pytest.approx(10 / 3 - 0.5)
    assert "no difference is shown" in differences["counts.mean_error person"]["sentence"]
    assert "instance.ap" in differences


class Truths(Metric[int]):
    """The least that a metric needs: everything else is a default."""

    name = "truths"

    def observe(self, scene, prediction, depth_HW=None):
        return len(scene.instances)

    def summarise(self, records, weights_BN, detail=None):
        return {"mean": weights_BN @ np.array(records) / weights_BN.sum(axis=1)}


def test_three_members_make_a_metric(tmp_path):
    evaluator = filled(Truths(CITYSCAPES), [1] * 5, draws=5)
    assert evaluator.compute()["truths"] == {"mean": 2}
    assert evaluator.compute()["intervals"]["truths.mean"] == [2, 2]
    write_json(tmp_path / "a.json", with_records(evaluator))
    again = read_records(tmp_path / "a.json", metrics=[Truths(CITYSCAPES)])
    assert compare(evaluator, again, draws=5)["differences"]["truths.mean"]["difference"] == 0


@pytest.mark.parametrize("damage", [[1, 2], "no numbers", [0.5] * 8])
def test_a_damaged_record_is_refused(counts, tmp_path, damage):
    values = with_records(filled(counts, [1, 1]))
    values["records"]["images"]["ulm_000001_000019"]["counts"] = damage
    write_json(tmp_path / "a.json", values)
    with pytest.raises(PartwiseError, match=r"a\.json: no evaluation with records of its images, or a damaged one"):
        read_records(tmp_path / "a.json", metrics=[counts])


def test_a_file_with_a_metric_that_is_not_installed_is_refused(counts, tmp_path):
    values = with_records(filled(counts, [1]))
    values["records"]["settings"]["metrics"] = ["colour_error"]
    write_json(tmp_path / "a.json", values)
    with pytest.raises(PartwiseError, match="'colour_error', which no installed package has: install the package"):
        read_records(tmp_path / "a.json")


def renamed(metric_name: str) -> Metric:
    return type("Renamed", (Truths,), {"name": metric_name})(CITYSCAPES)


def uneven(counts: Metric) -> None:
    evaluator = CityscapesEvaluator(metrics=[counts])
    evaluator.update(scene_of(painted(CAR), "a"), predicted())
    evaluator.update(scene_of(painted(CAR), "b"), None)


FAULTS = {
    "a name of partwise's": (lambda counts: filled(renamed("instance"), []), "'instance': the scores have this key"),
    "a key of the record": (lambda counts: filled(renamed("matches"), []), "'matches': the scores have this key"),
    "no identifier": (lambda counts: filled(renamed("my.own"), []), "'my.own': the scores have this key already, or"),
    "twice": (lambda counts: CityscapesEvaluator(metrics=[counts, counts]), "'counts' is given twice"),
    "not for every image": (uneven, "b: this image gives nothing to score, those before it .*counts"),
    "merged without": (lambda counts: filled(counts, [1]).merge(CityscapesEvaluator()), "with different settings"),
    "compared without": (
        lambda counts: compare(filled(counts, [1]), filled(renamed("truths"), [1])),
        "only one of them was scored with counts and truths",
    ),
    "unknown": (lambda counts: find_metric("panoptics"), "unknown metric 'panoptics': did you mean 'pano"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_said_in_one_line(counts, fault):
    call, expected = FAULTS[fault]
    with pytest.raises(PartwiseError, match=expected) as error:
        call(counts)
    assert "\n" not in str(error.value)


def test_partwise_has_its_own_metrics_as_anyone_has():
    assert list(OWN_METRICS) == ["semantic", "instance", "instance.coco", "instance.by_occlusion", "panoptic"]
    for name in OWN_METRICS:
        assert METRICS[name] is find_metric(name) is OWN_METRICS[name]


def test_one_of_partwises_further_metrics_can_be_asked_for_alone(city_root, tmp_path):
    results(city_root, tmp_path, keep=1)
    figures = score(city_root, "val", predictions=tmp_path, metrics=["panoptic", "semantic"])
    assert figures["panoptic"]["pq"] is not None and figures["instance"]["coco"] is None


def test_its_table_has_every_figure_and_interval(counts):
    (table,) = [
        x for x in evaluation_tables(filled(counts, [2, 0, 4, 2, 0, 4], draws=20).compute()) if x.title == "counts"
    ]
    assert list(table.columns) == ["counts", "value", "95 % interval"]
    rows = {name: (value, interval) for name, value, interval in table.rows}
    assert rows["mean_error"][0] == "1.333" and " to " in rows["mean_error"][1]
    assert rows["mean_error bus"] == ("0", "")


def test_what_lacks_what_a_metric_is_about_is_said_to_have_nothing_to_score(counts):
    """A semantic map alone tells no instances apart."""
    evaluator = CityscapesEvaluator(metrics=[counts])
    evaluator.update(scene_of(painted(CAR)), None, painted(CAR) // 1000)
    assert evaluator.compute()["counts"] is None
    assert evaluation_tables(evaluator.compute())[-1].rows == [["nothing to score", MISSING, ""]]


def results(city_root: Path, out: Path, keep: int, split: str = "val") -> None:
    """Result files that have every n-th of the true instances of evaluated classes."""
    from streeteval.reading.truth import TruthFolder

    for scene in TruthFolder(city_root, split):
        things = np.isin(scene.instances.labels, [label.id for label in CITYSCAPES.things])
        kept = scene.instances[np.flatnonzero(things)[::keep]]
        write_submission(scene.name, Prediction(kept, scene.semantic_HW), out)


def says_with_stranger(*arguments) -> str:
    """What the command prints in a process that sees the stranger's package, and the partwise of this one."""
    paths = [
        str(STRANGER),
        *(str(Path(one.__file__).parents[1]) for one in (partwise, streeteval)),
        os.environ.get("PYTHONPATH", ""),
    ]
    ended = subprocess.run(
        [sys.executable, "-m", "partwise", *map(str, arguments)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths)), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def test_the_command_line_scores_and_compares_with_it(city_root, tmp_path):
    results(city_root, tmp_path / "results", keep=2, split="train")
    file = tmp_path / "a.json"
    where = ["--predictions", tmp_path / "results", "--data", city_root, "--split", "train", "--json", file]
    said = says_with_stranger("evaluate", *where, "--metric", "counts", "--full")
    figures = json.loads(file.read_text())
    error, (low, high) = figures["counts"]["mean_error"], figures["intervals"]["counts.mean_error"]
    assert 0 < low <= error <= high
    words = [line.split() for line in said.splitlines()]
    assert ["counts", "value", "95", "%", "interval"] in words
    assert ["mean_error", f"{error:.4g}", f"{low:.4g}", "to", f"{high:.4g}"] in words
    said = says_with_stranger("compare", file, file, "--draws", 5)
    assert "counts.mean_error: no difference is shown, B - A is +0 (95 % interval +0 to +0)" in said
    assert "instance.ap: no difference is shown" in said


def test_a_metric_that_nobody_has_is_refused_before_anything_is_scored(complains, city_root, tmp_path):
    said = complains("evaluate", "--model", tmp_path / "none", "--data", city_root, "--metric", "panoptics")
    assert "unknown metric 'panoptics': did you mean 'panoptic'?" in said
    (tmp_path / "a.json").write_text("{}")
    said = complains("compare", tmp_path / "a.json", tmp_path / "a.json", "--metric", "panoptic")
    assert "--metric is for models" in said
