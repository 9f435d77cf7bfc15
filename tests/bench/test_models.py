"""The table of models: what the evaluator says of each, at each size, and how long it takes."""

import json
from dataclasses import replace

import pytest
import torch
from tiny_networks import tiny_model, tiny_recipe

from partwise.bench import models as bench_models_module
from partwise.bench.models import bench_models, model_name, score_segmenter
from partwise.cli import main
from partwise.data.cityscapes import CityscapesFolder
from partwise.errors import PartwiseError
from partwise.methods import build_method
from partwise.methods.options import InferenceOptions
from partwise.report.models import draw_tradeoff, models_table
from partwise.report.text import table_markdown
from partwise.scoring import score
from partwise.segmenter import load
from partwise.training.checkpoint import save_model
from partwise.written import BENCH_MODELS, PICTURE, TABLE, kind_of
from streeteval.scene import EvenlySpaced


@pytest.fixture(scope="module")
def quick():
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (("OFFICIAL_SIZE", (64, 160)), ("TIMED_SCENES", 1), ("REPEATS", 1)):
            patch.setattr(bench_models_module, name, value)
        yield


@pytest.fixture(scope="module")
def table(quick, city_root, module_folder):
    """(files, figures) of part maps and an FCN with random weights."""
    folder = module_folder
    files = [str(tiny_model(folder / "parts.safetensors")), str(tiny_model(folder / "fcn.safetensors", semantic=True))]
    return files, bench_models(files, city_root, frames=1, scales=(0.5,), threads=1)


def test_every_figure_is_that_of_evaluate(table, city_root):
    files, figures = table
    half, whole = [name for name in figures["models"][0]["sizes"] if name != "160x64"]
    assert whole == figures["data"]["size"] and [int(side) * 2 for side in half.split("x")] == [
        int(side) for side in whole.split("x")
    ]
    for file, row in zip(files, figures["models"], strict=True):
        for size, scale in ((whole, None), (half, 0.5)):
            alone = score(city_root, "val", model=file, frames=1, options=InferenceOptions(scale))
            at, instance = row["sizes"][size], alone["instance"]
            assert at["iou_class"] == alone["semantic"]["iou_class"] and at["ms"] > 0
            assert at["ap"] == (instance and instance["ap"]) and at["ar100"] == (instance and instance["ar"]["100"])
            assert (at["pq"] is None) == (instance is None)
        assert row["sizes"]["160x64"].keys() == {"scale", "ms"}, "timed only"
    assert [row["method"] for row in figures["models"]] == ["parts", "fcn"]


def test_the_table_shows_what_was_measured_and_marks_what_is_missing(table):
    figures = table[1]
    wide, narrow = models_table(figures), models_table(figures, wide=False)
    assert len(wide.rows) == len(narrow.rows) == 6
    for row in (*wide.rows, *narrow.rows):
        assert len(row) == len(wide.columns if len(row) > 12 else narrow.columns)
    by_column = [dict(zip(wide.columns, row, strict=True)) for row in wide.rows]
    fcn = [row for row in by_column if row["model"] == "fcn"]
    assert all(row["AP"] == row["PQ"] == "–" and row["backbone"] == "vgg16" for row in fcn)
    timed_only = [row for row in by_column if row["size"] == "160x64"]
    assert all(row["IoU class"] == "–" and float(row["ms"]) >= 0 for row in timed_only)
    assert table_markdown(wide).count("\n| ") == 7 - 1 + 1


def test_the_picture_has_a_line_for_each_model_with_instances(table):
    figures = table[1]
    (axes,) = draw_tradeoff(figures).axes
    (line,) = axes.get_lines()
    sizes = [at for at in figures["models"][0]["sizes"].values() if "ap" in at]
    assert list(line.get_xdata()) == [at["ms"] for at in sizes] and list(line.get_ydata()) == [at["ap"] for at in sizes]


def test_a_stopped_measurement_goes_on_where_it_stopped(table, city_root):
    files, whole = table
    kept: list[dict] = []

    def keep(figures):
        kept.append(json.loads(json.dumps(figures)))
        if len(kept) == 4:
            raise KeyboardInterrupt

    options = {"frames": 1, "scales": (0.5,), "threads": 1}
    with pytest.raises(KeyboardInterrupt):
        bench_models(files, city_root, **options, keep=keep)
    again: list[dict] = []
    figures = bench_models(files, city_root, **options, before=kept[-1], keep=again.append)
    assert len(kept) + len(again) == 2 * (3 + 2), "three times and two scores a model, each measured once"
    for row, full in zip(figures["models"], whole["models"], strict=True):
        for size, at in row["sizes"].items():
            assert {k: v for k, v in at.items() if k != "ms"} == {
                k: v for k, v in full["sizes"][size].items() if k != "ms"
            }
    assert figures["models"][0]["sizes"]["160x64"]["ms"] == kept[-1]["models"][0]["sizes"]["160x64"]["ms"]


def test_what_is_known_of_later_models_outlives_a_second_stop(table, city_root):
    """The first of two models is measured again; a stop right after its first figure keeps all of the second."""
    files, whole = table
    before = json.loads(json.dumps(whole)) | {"models": [json.loads(json.dumps(whole["models"][1]))]}
    kept: list[dict] = []

    def keep(figures):
        kept.append(json.loads(json.dumps(figures)))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        bench_models(files, city_root, frames=1, scales=(0.5,), threads=1, before=before, keep=keep)
    assert kept[0]["models"][1]["sizes"] == json.loads(json.dumps(whole["models"][1]["sizes"]))


def _in_scale_two(path):
    """A model whose default scale is 2."""
    config = replace(tiny_recipe().method, decode=replace(tiny_recipe().method.decode, scale=2.0))
    torch.manual_seed(0)
    save_model(path, build_method(config), {"recipe": "tiny", "steps": 0, "weights": "random"})
    return str(path)


def test_a_scale_at_the_size_of_the_frames_is_a_row_of_its_own(quick, city_root, tmp_path):
    """The network sees frames twice as large by default, and as they are at scale 1: both are 256x128."""
    file = _in_scale_two(tmp_path / "two.safetensors")
    expected = {
        scale: score(city_root, "val", model=file, frames=1, options=InferenceOptions(scale)) for scale in (None, 1)
    }
    assert expected[None]["semantic"]["iou_class"] != expected[1]["semantic"]["iou_class"]
    figures = bench_models([file], city_root, frames=1, scales=(1.0,), threads=1)
    sizes = figures["models"][0]["sizes"]
    for name, scale in (("256x128", None), ("256x128 at scale 1", 1)):
        assert sizes[name]["scale"] == scale and sizes[name]["ms"] > 0
        assert sizes[name]["iou_class"] == expected[scale]["semantic"]["iou_class"]
    assert {"256x128", "256x128 at scale 1"} <= {row[1] for row in models_table(figures, wide=False).rows}


def test_a_resumed_run_takes_no_figure_of_another_scale(quick, city_root, tmp_path):
    file = str(tiny_model(tmp_path / "m.safetensors"))
    first = bench_models([file], city_root, frames=1, scales=(0.5,), threads=1)
    before = json.loads(json.dumps(first))
    at = before["models"][0]["sizes"]["128x64"]
    for entry in ({**at, "scale": 0.503, "ap": 0.7}, {key: value for key, value in at.items() if key != "scale"}):
        before["models"][0]["sizes"]["128x64"] = entry | {"ap50": 0.9, "ms": 1e6}
        again = bench_models([file], city_root, frames=1, scales=(0.5,), threads=1, before=before)
        found = again["models"][0]["sizes"]
        assert found["128x64"]["ms"] < 1e6 and found["128x64"]["ap50"] == at["ap50"]
        assert found["256x128"] == first["models"][0]["sizes"]["256x128"], "measured before with the same settings"


def test_figures_of_other_truth_are_not_taken_over(quick, table, city_root):
    before = json.loads(json.dumps(table[1]))
    before["data"]["truth"] = "0" * 16
    with pytest.raises(PartwiseError, match=r"other settings \(truth 0{16} ->"):
        bench_models(table[0], city_root, frames=1, scales=(0.5,), threads=1, before=before)


def test_figures_of_another_model_or_of_other_frames_are_not_taken_over(table, city_root, tmp_path):
    files, whole = table
    other = json.loads(json.dumps(whole))
    other["models"][0]["digest"] = "0" * 16
    measured: list[dict] = []
    bench_models(files[:1], city_root, frames=1, threads=1, before=other, keep=measured.append)
    assert len(measured) == 3
    odd = whole | {"models": [whole["models"][0] | {"sizes": {"128x64": 3}}]}
    no_table = [{"models": []}, whole | {"models": 3}, whole | {"models": [4]}, odd]
    for before, words in (
        (whole | {"frames": 2}, "frames 2 -> 1"),
        *((before, "no table of models") for before in no_table),
    ):
        with pytest.raises(PartwiseError, match=words):
            bench_models(files, city_root, frames=1, threads=1, before=before)
    file = tmp_path / "broken.json"
    file.write_text("{")
    with pytest.raises(SystemExit) as stop:
        main(["bench", "models", files[0], "--data", str(city_root), "--json", str(file), "--resume"])
    assert stop.value.code == 2 and file.read_text() == "{"


def test_the_verb_writes_all_three_files(quick, table, city_root, tmp_path, capsys):
    out = {key: tmp_path / f"table.{end}" for key, end in (("json", "json"), ("markdown", "md"), ("picture", "png"))}
    options = [part for key, file in out.items() for part in (f"--{key}", str(file))]
    main(["bench", "models", table[0][0], "--data", str(city_root), "--frames", "1", "--threads", "1", *options])
    said = capsys.readouterr().out
    assert all(f"wrote {file}" in said for file in out.values()) and said.startswith("model")
    assert json.loads(out["json"].read_text())["models"][0]["model"] == "parts"
    assert "\n**Models**" in out["markdown"].read_text() and out["picture"].read_bytes()[1:4] == b"PNG"
    assert [kind_of(file) for file in out.values()] == [BENCH_MODELS, TABLE, PICTURE]  # may be written again


@pytest.mark.parametrize(
    ("models", "options", "expected"),
    [
        (("streets", "streets"), {}, "2 models are called streets"),
        (("streets",), {"threads": 0}, "threads from 1 on"),
        (("streets",), {"frames": -1}, "frames from 0"),
        (("streets",), {"scales": (0,)}, "above 0"),
        (("streets", "nowhere.safetensors"), {}, "nowhere.safetensors: no such model"),
    ],
)
def test_wrong_input_is_refused_before_anything_is_scored(models, options, expected, city_root):
    with pytest.raises(PartwiseError, match=expected):
        bench_models(models, city_root, progress=lambda *_: pytest.fail("began to measure"), **options)


def test_the_weights_of_a_run_are_called_like_the_run(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert model_name("last.safetensors") == tmp_path.name
    assert model_name("streets") == "streets"


def test_among_peers_a_model_without_instances_found_none(table, city_root):
    scenes = EvenlySpaced(CityscapesFolder(city_root, "val"), 1)
    found = score_segmenter(load(table[0][1]), scenes, instances_alone=True).compute()
    assert found["semantic"] is None and found["instance"]["ap"] == 0.0
