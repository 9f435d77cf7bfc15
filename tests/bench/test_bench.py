"""The benchmarks measure what they say: the same scores from both tools, their own times, memory of a process apart."""

import json
import subprocess
import sys

import numpy as np
import pytest
from coco_trees import annotation, content, write_coco
from PIL import Image
from tiny_networks import tiny_model

from partwise.bench import speed as bench_speed_module
from partwise.bench.evaluation import bench_evaluation
from partwise.bench.material import make_material
from partwise.cli import main
from partwise.data.streets import render_dataset
from partwise.errors import PartwiseError
from partwise.training import precision
from streeteval.bench.material import link_again, results_of, write_files
from streeteval.evaluator import CityscapesEvaluator
from streeteval.machine import peak_memory_mib
from streeteval.reading.truth import TruthFolder
from streeteval.scoring import evaluate_folder

SMALL = ["--images", "2", "--predictions", "8", "--size", "192x96", "--memory-images", "3", "--scaling-images", "5"]


def test_bench_evaluation_gives_every_figure_and_the_official_scores(tmp_path, capsys):
    out = tmp_path / "bench.json"
    main(["bench", "evaluation", *SMALL, "--workers", "2", "--json", str(out)])
    said, figures = capsys.readouterr().out, json.loads(out.read_text())
    assert f"wrote {out}" in said and "from files than official" in said
    assert (figures["images"], figures["predictions an image"], figures["size"]) == (2, 8, "192x96")
    assert {"processor", "cores", "cores of this process", "load average"} == figures["machine"].keys()
    for bits in ("8 bit masks", "1 bit masks"):
        seconds = figures[bits]["seconds an image"]
        assert all(value >= 0 for value in seconds.values())
        official = seconds["official, instances"] + seconds["official, pixels"]
        ratio = figures[bits]["times faster"]["from files than official"]
        assert ratio == pytest.approx(official / seconds["ours from files"], rel=0.2, abs=0.1)
        assert max(figures[bits]["difference of the scores"].values()) < 1e-9
    scaling = figures["8 bit masks"]["scaling"]
    assert scaling["images"] == 5
    for of in ("seconds by the clock", "seconds of the processor, together"):
        assert scaling[of].keys() == {"1 process", "2 processes"} and min(scaling[of].values()) > 0
    assert figures["peak MiB"].keys() == {"2 images from files", "3 images in memory"}
    assert all(20 < peak < 1024 for peak in figures["peak MiB"].values())


def test_without_cityscapesscripts_one_line_says_what_to_install(fails, monkeypatch):
    name = "cityscapesscripts.evaluation.evalInstanceLevelSemanticLabeling"
    monkeypatch.setitem(sys.modules, name, None)
    said = fails("bench", "evaluation", *SMALL).strip()
    assert len(said.split("\n")) == 1
    assert "cityscapesscripts" in said and "pip install 'partwise[bench]'" in said


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["evaluation", "--images", "0"], "--images 0: give numbers from 1 on"),
        (["evaluation", "--workers", "-1"], "--workers -1: give numbers from 1 on"),
        (["evaluation", "--scaling-images", "0"], "--scaling-images 0: give numbers from 1 on"),
        (["evaluation", "--memory-images", "-3"], "--memory-images -3: give numbers from 1 on"),
        (["evaluation", "--predictions", "0"], "--predictions 0: give numbers from 1 on"),
        (["evaluation", "--size", "big"], "--size big: give WIDTHxHEIGHT"),
        (["evaluation", "--data", "none"], "none: no such file or folder"),
        (["speed", "--repeats", "0"], "--repeats 0"),
        (["speed", "--model", "none"], "none: no such model"),
    ],
)
def test_mistakes_get_one_line(fails, arguments, expected):
    said = fails("bench", *arguments).strip()
    assert expected in said and len(said.split("\n")) == 1


def _own_classes(root):
    rows = [annotation(1, category_id=1, segmentation=[[2, 2, 14, 2, 14, 14, 2, 14]])]
    found = content(rows, categories=[{"id": 1, "name": "cone"}])
    write_coco(root / "annotations" / "instances_val.json", found, root / "val")


def _without_instances(root):
    render_dataset(root, {"val": 1}, (64, 128))
    for file in root.rglob("*gtFine*.png"):
        Image.fromarray(np.full((64, 128), 7, np.uint16 if "instanceIds" in file.name else np.uint8)).save(file)


def _of_two_sizes(root):
    for seed, size in enumerate(((64, 128), (96, 192))):
        render_dataset(root, {"val": 1}, size, seed)


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (_own_classes, "cityscapesScripts scores those of Cityscapes alone"),
        (_without_instances, "no instance of an evaluated class"),
        (_of_two_sizes, r"several sizes \(128x64 and 192x96\)"),
    ],
)
def test_unsuited_data_are_refused_before_anything_is_measured(make, expected, tmp_path):
    make(tmp_path / "T")
    with pytest.raises(PartwiseError, match=expected):
        bench_evaluation(images=2, predictions=2, data=tmp_path / "T", progress=lambda *_: pytest.fail("it has begun"))


def test_files_hold_what_memory_holds_under_every_name(tmp_path):
    material = make_material(2, 6, (96, 192))
    evaluator = CityscapesEvaluator()
    for scene, instances, semantic_HW in zip(material.scenes, material.instances, material.semantics, strict=True):
        assert len(instances) == 6
        evaluator.update(scene, instances, semantic_HW)
    for bits in (8, 1):
        root = tmp_path / str(bits)
        files = write_files(root, material.scenes, material.instances, material.semantics, bits)
        expected = evaluator.compute()
        scores = evaluate_folder(results_of(root), TruthFolder(root, "val"))
        assert scores["instance"]["ap"] == pytest.approx(expected["instance"]["ap"], abs=1e-12)
        assert scores["semantic"] == expected["semantic"]
    link_again(files, root, 4)
    twice = evaluate_folder(results_of(root), TruthFolder(root, "val"))
    assert twice["images"] == 4 and twice["semantic"]["iou_class"] == pytest.approx(expected["semantic"]["iou_class"])


def test_peak_memory_is_that_of_the_process_alone():
    """A small child of a big parent: what it holds for a moment shows, what the parent holds does not."""
    child = (
        "from streeteval.machine import peak_memory_mib\n"
        "before = peak_memory_mib()\nblock = bytearray(64 * 2**20).replace(b'0', b'1')\ndel block\n"
        "print(before, peak_memory_mib())"
    )
    ballast = np.ones(2**26, np.uint8)
    said = subprocess.run([sys.executable, "-c", child], capture_output=True, text=True, check=True).stdout
    before, after = map(float, said.split())
    assert ballast.all() and before + 60 < after < peak_memory_mib()


@pytest.mark.usefixtures("auto_is_elsewhere")  # times are those of the processor where there is a GPU, too
@pytest.mark.parametrize("units", [True, False])
def test_bench_speed_times_every_stage_that_the_processor_can_do(units, tmp_path, capsys, monkeypatch):
    """Without bf16 units a network in bf16 may take minutes where fp32 takes a second."""
    monkeypatch.setattr(precision, "_cpu_capabilities", lambda: {"avx2": True, "avx512_bf16": units})
    monkeypatch.setattr(bench_speed_module, "BACKBONES", ("efficientnet_lite0",))
    monkeypatch.setattr(bench_speed_module, "CROP", (64, 64))
    monkeypatch.setattr(bench_speed_module, "SCENES", 2)
    model, out = tiny_model(tmp_path / "model.safetensors"), tmp_path / "speed.json"
    arguments = ["--model", str(model), "--size", "64x64", "--threads", "1", "--repeats", "1", "--json", str(out)]
    main(["bench", "speed", *arguments])
    said = capsys.readouterr().out
    assert f"wrote {out}" in said
    figures = json.loads(out.read_text())
    assert [row["precision"] for row in figures["predict"]] == ["no", "bf16"][: 1 + units]
    in_bf16 = [figures["backbones"]["efficientnet_lite0"][key] for key in ("bf16_ms", "bf16_over_fp32")]
    if units:
        assert not figures["skipped"] and min(in_bf16) > 0
    else:
        assert figures["skipped"].keys() == {"bf16"} and "emulated" in figures["skipped"]["bf16"]
        assert figures["skipped"]["bf16"] in said and in_bf16 == [None, None]
    for row in figures["predict"]:
        assert len(row["scenes"]) == 2 and all(row["mean"][f"{part}_ms"] > 0 for part in ("network", "total"))
    assert figures["backbones"]["efficientnet_lite0"]["fp32_ms"] > 0
    assert figures["backbones"]["efficientnet_lite0"]["fp32_without_blocks_ms"] > 0
    assert min(figures["one_thread"].values()) > 0
