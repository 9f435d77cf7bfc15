"""The command line as a person uses it: what each verb writes, and the one line that each mistake gets."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tiny_networks import QUICK, tiny_model

from partwise import load
from partwise.data.streets import Streets
from partwise.terminal import TrainingDisplay
from partwise.training.checkpoint import load_model


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return tiny_model(tmp_path_factory.mktemp("models") / "model.safetensors")


@pytest.fixture(scope="module")
def semantic_model(tmp_path_factory) -> Path:
    return tiny_model(tmp_path_factory.mktemp("models") / "fcn.safetensors", semantic=True)


def listing(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()} if folder.exists() else set()


def test_render_and_check(says, complains, tmp_path):
    root = tmp_path / "new" / "streets"
    said = says("render", root, "--train", 2, "--val", 1, "--size", "96x48")
    assert f"partwise check {root}" in said
    assert len(listing(root)) == 9
    said = says("check", root, "--json", tmp_path / "check.json")
    report = json.loads((tmp_path / "check.json").read_text())
    assert report["ok"] and report["splits"]["train"]["frames"] == 2
    assert "train: 2 frames" in said and "no faults" in said
    assert "holds a data set already" in complains("render", root)
    shutil.rmtree(root / "leftImg8bit")
    assert "holds a data set already" in complains("render", root)


@pytest.mark.parametrize("size", ["96", "0x0", "axb", "96x-48", "96x48x3", "8x8"])
def test_render_refuses_a_wrong_size(size, complains, tmp_path):
    said = complains("render", tmp_path / "s", "--size", size)
    assert "size" in said or "pixels" in said
    assert not listing(tmp_path)


def test_recipes_and_config(says):
    said = says("recipes")
    assert all(name in said for name in ("fcn32s", "parts_light", "fcn "))
    values = json.loads(says("config", "demo", "optim.lr=0.25"))
    assert values["optim"]["lr"] == 0.25 and values["name"] == "demo"


def test_train_evaluate_export_predict(says, city_root, tmp_path):
    run, frame = tmp_path / "run", sorted((city_root / "leftImg8bit" / "val").rglob("*.png"))[0]
    said = says("train", "demo", *QUICK, "--data", city_root, "--out", run, "--steps", 2)
    assert f"partwise evaluate --model {run} --data {city_root}" in said
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]

    figures = tmp_path / "out" / "evaluation.json"
    said = says("evaluate", "--model", run, "--data", city_root, "--json", figures)
    values = json.loads(figures.read_text(), parse_constant=pytest.fail)
    assert {"images", "seconds", "semantic", "instance"} <= set(values)
    assert {"iou_class", "iiou_class", "iou_category", "iiou_category", "per_class"} <= set(values["semantic"])
    assert {"ap", "ap50"} <= set(values["instance"]["per_class"]["car"])
    assert "car" in said and "AP50" in said and "3 images" in said
    during = lines[-1]["evaluation"]
    for key in ("images", "semantic", "instance"):
        assert values[key] == during[key]

    small = tmp_path / "small.safetensors"
    says("export", run, "--out", small, "--decode", "peaks=0.5", "--decode", "nms_iou=0.6")
    decode = load_model(small)[0].config.decode
    assert (decode.peaks, decode.nms_iou) == (0.5, 0.6)
    assert small.stat().st_size < 0.6 * (run / "best.safetensors").stat().st_size
    says("predict", frame, "--model", small, "--out", tmp_path / "predicted")
    assert listing(tmp_path / "predicted") == {
        f"{frame.stem}{end}" for end in ("_overlay.png", "_instanceIds.png", "_labelIds.png", ".json")
    }


def test_a_training_goes_on_from_the_bundled_model_by_its_name(says, city_root, tmp_path):
    quick = [word for word in QUICK if not word.startswith("method.")]
    options = ("--data", city_root, "--out", tmp_path, "--steps", 1, "--weights", "streets")
    says("train", "parts_light", *quick, *options)
    origin = json.loads((tmp_path / "run.json").read_text())["origin"]
    assert origin["weights"].startswith("parts_light (")


def test_explain_says_why_there_is_an_instance_and_why_there_is_none(says, tmp_path):
    """With the bundled model; the score that is told is that of `predict`, and the picture is no other size for it."""
    photo, out = tmp_path / "street.png", tmp_path / "out"
    Image.fromarray(Streets(1, (256, 512), seed=123)[0].image_HW3).save(photo)
    said = says("explain", photo, "--out", out)
    scale = load().method.default_scale
    width, height = round(512 * scale), round(256 * scale)
    assert said.startswith(f"street.png is 512x256, the network saw it at {width}x{height}, in whose pixels:\n")
    there = re.search(r"^pixel (\d+),(\d+) of ", said, re.MULTILINE).groups()
    x, y = int(there[0]) * 512 // width, int(there[1]) * 256 // height
    files = {f"street_{x}_{y}_explained.png", f"street_{x}_{y}_explained.json"}
    assert listing(out) == files and "--at X,Y" in said
    told = json.loads((out / f"street_{x}_{y}_explained.json").read_text())
    says("predict", photo, "--out", tmp_path / "predicted")
    best = json.loads((tmp_path / "predicted" / "street.json").read_text())["instances"][0]
    assert told["instance"]["score"] == pytest.approx(best["score"], abs=1e-3)
    assert "; kept as instance 1\n" in said
    assert re.search(rf"its mask refined: .+ = {best['score']:.3f}\n", said)
    assert Image.open(out / f"street_{x}_{y}_explained.png").width > 1000
    sky = says("explain", photo, "--out", out, "--at", "256,2")
    place = f"pixel {256 * width // 512},{2 * height // 256} of {width}x{height}"
    assert f"{place}: no instance" in sky and "objectness not above" in sky
    assert len(listing(out)) == 4
    half = says("explain", photo, "--out", out, "--at", "256,2", "--scale", "0.5")
    assert half.startswith("street.png is 512x256, the network saw it at 256x128, in whose pixels:\n")
    assert "\npixel 128,1 of 256x128: " in half
    assert json.loads((out / "street_256_2_explained.json").read_text())["seen_size"] == [256, 128]


def test_predict_and_evaluate_at_another_scale(says, complains, model, city_root, tmp_path):
    """Both see the image at that scale and answer at its own: the submission of one scores what the other says."""
    split = ("--data", city_root, "--split", "val")
    says("evaluate", *split, "--model", model, "--scale", "0.5", "--json", tmp_path / "half.json", "--no-records")
    frames = city_root / "leftImg8bit" / "val"
    says("predict", frames, "--model", model, "--scale", "0.5", "--out", tmp_path / "files", "--format", "cityscapes")
    says("evaluate", *split, "--predictions", tmp_path / "files", "--json", tmp_path / "files.json", "--no-records")
    says("evaluate", *split, "--model", model, "--json", tmp_path / "whole.json", "--no-records")
    half, files, whole = (json.loads((tmp_path / f"{n}.json").read_text()) for n in ("half", "files", "whole"))
    assert half["semantic"] == files["semantic"] != whole["semantic"]
    assert half["circumstances"]["scale"] == [0.5] and whole["circumstances"]["scale"] is None
    says("evaluate", *split, "--model", model, "--flip", "--json", tmp_path / "both.json", "--no-records")
    says("predict", frames, "--model", model, "--flip", "--out", tmp_path / "both", "--format", "cityscapes")
    says("evaluate", *split, "--predictions", tmp_path / "both", "--json", tmp_path / "written.json", "--no-records")
    both, written = (json.loads((tmp_path / f"{n}.json").read_text()) for n in ("both", "written"))
    assert both["semantic"] == written["semantic"] != whole["semantic"]
    assert both["circumstances"]["flip"] and not whole["circumstances"]["flip"]
    for option in (["--scale", "2"], ["--flip"]):
        refused = complains("evaluate", *split, "--predictions", tmp_path / "files", *option)
        assert f"{option[0]} is for models" in refused


def test_a_pipeline_runs_its_stages_one_from_the_other(says, complains, city_root, tmp_path):
    quick = ["method.channels=8", "data.augment.crop=[32,32]", "training.precision=no", "backbone_weights=random"]
    quick += ["data.repeat_threshold=0", "training.evaluate_frames=1", "data.workers=0", "optim.backbone_lr_factor=0"]
    command = ["train", "fcn", *quick, "--data", city_root, "--out", tmp_path / "fcn", "--steps", 5]
    says(*command)
    assert "holds a run already" in complains(*command)
    for stage in ("fcn32s", "fcn16s", "fcn8s"):
        origin = load_model(tmp_path / "fcn" / stage / "last.safetensors")[1].origin
        assert origin["recipe"] == stage
        assert origin["steps"] == {"fcn32s": 2, "fcn16s": 1, "fcn8s": 2}[stage]
    assert origin["weights"] == "fcn16s (1 steps) from fcn32s (2 steps) from random"
    written = {path: path.read_bytes() for path in (tmp_path / "fcn").glob("fcn[31]*/last.safetensors")}
    shutil.rmtree(tmp_path / "fcn" / "fcn8s")
    says(*command, "--resume")
    assert (tmp_path / "fcn" / "fcn8s" / "best.safetensors").exists()
    assert all(path.read_bytes() == data for path, data in written.items())


def test_ctrl_c_says_how_to_go_on_and_that_works(complains, says, city_root, tmp_path, monkeypatch):
    command = ["train", "demo", *QUICK, "--data", city_root, "--out", tmp_path / "run", "--steps", 3]
    shown = TrainingDisplay.progress

    def progress(self, done, record):
        shown(self, done, record)
        if record["step"] == 2:
            os.kill(os.getpid(), signal.SIGINT)

    with monkeypatch.context() as patched:
        patched.setattr(TrainingDisplay, "progress", progress)
        said = complains(*command, code=130)
    assert "stopped at step 2" in said and "--resume" in said
    assert load_model(tmp_path / "run" / "last.safetensors")[1].origin["steps"] == 2
    says(*command, "--resume")
    assert load_model(tmp_path / "run" / "last.safetensors")[1].origin["steps"] == 3


def test_predict_writes_the_submission_form_and_evaluate_reads_it(says, model, city_root, tmp_path):
    says("predict", city_root / "leftImg8bit" / "val", "--model", model, "--out", tmp_path / "s", "--format=cityscapes")
    written = listing(tmp_path / "s")
    names = [path.stem.removesuffix("_leftImg8bit") for path in (city_root / "leftImg8bit" / "val").rglob("*.png")]
    for name in names:
        assert f"instances/{name}_pred.txt" in written and f"pixels/{name}_labelIds.png" in written
    figures = tmp_path / "figures.json"
    says("evaluate", "--predictions", tmp_path / "s", "--data", city_root, "--json", figures)
    direct = tmp_path / "direct.json"
    says("evaluate", "--model", model, "--data", city_root, "--json", direct)
    from_files, from_model = (json.loads(path.read_text()) for path in (figures, direct))
    assert from_files["semantic"] == from_model["semantic"]
    assert from_files["instance"]["per_class"] == from_model["instance"]["per_class"]


def test_evaluating_a_semantic_model_gives_no_instance_scores(says, semantic_model, city_root, tmp_path):
    says("evaluate", "--model", semantic_model, "--data", city_root, "--json", tmp_path / "e.json", "--frames", 1)
    figures = json.loads((tmp_path / "e.json").read_text())
    assert figures["instance"] is None and figures["images"] == 1
    assert figures["semantic"]["iou_class"] is not None


def test_predict_takes_every_kind_of_image_and_reports_those_it_cannot(fails, model, tmp_path):
    photos, out = tmp_path / "photos [holiday]", tmp_path / "out [1]"
    photos.mkdir()
    rng = np.random.default_rng(0)
    rgb = rng.integers(0, 256, (40, 60, 3), np.uint8)
    Image.fromarray(rgb).save(photos / "rgb.png")
    Image.fromarray(rgb).save(photos / "photo.JPG")
    Image.fromarray(rgb[..., 0]).save(photos / "grey.png")
    Image.fromarray(np.dstack([rgb, rgb[..., :1]])).save(photos / "rgba.png")
    Image.fromarray(rgb[..., 0].astype(np.uint16) * 257).save(photos / "deep.png")
    Image.fromarray(rgb[:1, :1]).save(photos / "pixel.png")
    Image.fromarray(rgb).save(photos / "web.webp")
    (photos / "cut.png").write_bytes((photos / "rgb.png").read_bytes()[:-500])
    (photos / "text.png").write_text("no image")
    said = fails("predict", photos, "--model", model, "--out", out)
    complaints = [line for line in said.splitlines() if line.startswith("partwise: ")]
    assert len(complaints) == 2
    assert "cut.png: the image is damaged or cut short" in complaints[0]
    assert "text.png: not an image" in complaints[1]
    good = ("rgb", "photo", "grey", "rgba", "deep", "pixel", "web")
    ends = ("_overlay.png", "_instanceIds.png", "_labelIds.png", ".json")
    assert listing(out) == {f"{name}{end}" for name in good for end in ends}
    assert Image.open(out / "pixel_labelIds.png").size == (1, 1)


def _without_truth(root: Path):
    shutil.rmtree(root / "gtFine")


def _of_another_size(root: Path):
    for path in (root / "leftImg8bit").rglob("*.png"):
        Image.open(path).resize((128, 64)).save(path)


def _cut_short(root: Path):
    for path in (root / "leftImg8bit").rglob("*.png"):
        path.write_bytes(path.read_bytes()[:1000])


def _with_train_ids(root: Path):
    from streeteval.labels import CITYSCAPES

    for path in (root / "gtFine").rglob("*_labelIds.png"):
        Image.fromarray(CITYSCAPES.id_to_train_id[np.array(Image.open(path))]).save(path)


def _with_an_unknown_id(root: Path):
    for path in (root / "gtFine").rglob("*_labelIds.png"):
        ids = np.array(Image.open(path))
        ids[5:9, 5:9] = 77
        Image.fromarray(ids).save(path)


def _without_instances(root: Path):
    for path in (root / "gtFine").rglob("*_instanceIds.png"):
        ids = np.array(Image.open(path)).astype(np.int32)
        Image.fromarray(np.where(ids >= 1000, ids // 1000, ids).astype(np.uint16)).save(path)


BAD_DATA = {
    "no gtFine": (_without_truth, "no gtFine in it"),
    "sizes": (_of_another_size, "one size"),
    "truncated": (_cut_short, "cut short"),
    "train ids": (_with_train_ids, "trainIds"),
    "unknown id": (_with_an_unknown_id, "77"),
}


@pytest.mark.parametrize("what", BAD_DATA)
def test_bad_data_is_one_line_in_every_verb_and_writes_nothing(what, fails, complains, model, city_root, tmp_path):
    damage, words = BAD_DATA[what]
    root, out = tmp_path / "city", tmp_path / "out"
    shutil.copytree(city_root, root)
    damage(root)
    said = complains("evaluate", "--model", model, "--data", root, "--json", out / "e.json")
    assert words in said and str(root) in said
    changes = [*QUICK, "data.workers=1"]
    said = complains("train", "demo", *changes, "--data", root, "--out", out / "run", "--steps", 2)
    assert words in said and str(root) in said
    assert not listing(out)
    assert words in fails("check", root)


def test_a_recipe_for_cars_needs_cars(complains, city_root, tmp_path):
    """Their ids are another class's here: the split has instances, but none that the recipe tells apart."""
    root, out = tmp_path / "city", tmp_path / "run"
    shutil.copytree(city_root, root)
    for file in (*root.glob("gtFine/*/*/*_labelIds.png"), *root.glob("gtFine/*/*/*_instanceIds.png")):
        ids, factor = np.array(Image.open(file)), 1 if "labelIds" in file.name else 1000
        Image.fromarray(np.where(ids // factor == 26, ids - 2 * factor, ids).astype(ids.dtype)).save(file)
    said = complains("train", "ordering_slice", "--data", root, "--out", out, "--steps", 1)
    assert "no instance of car in its" in said and not out.exists()


def test_a_split_without_instances(complains, says, model, semantic_model, city_root, tmp_path):
    root = tmp_path / "city"
    shutil.copytree(city_root, root)
    _without_instances(root)
    for command in (
        ["evaluate", "--model", model, "--data", root, "--json", tmp_path / "e.json"],
        ["train", "demo", *QUICK, "--data", root, "--out", tmp_path / "run", "--steps", 2],
    ):
        said = complains(*command)
        assert "no instance of an evaluated class" in said and str(root) in said and "another split" in said
    assert not (tmp_path / "run").exists() and not (tmp_path / "e.json").exists()
    assert "IoU" in says("evaluate", "--model", semantic_model, "--data", root, "--frames", 1)


def bad_models(tmp_path: Path, model: Path) -> dict[str, tuple[Path, str]]:
    cut, text, empty = tmp_path / "cut.safetensors", tmp_path / "text.safetensors", tmp_path / "empty"
    cut.write_bytes(model.read_bytes()[:5000])
    text.write_text("no model")
    empty.mkdir()
    return {
        "missing": (tmp_path / "none.safetensors", "no such model"),
        "cut": (cut, "damaged"),
        "text": (text, "not a model file"),
        "empty run": (empty, "without best.safetensors"),
    }


def test_bad_models_are_one_line_in_every_verb(complains, model, city_root, tmp_path):
    photo = next((city_root / "leftImg8bit").rglob("*.png"))
    for bad, words in bad_models(tmp_path, model).values():
        for command in (
            ["predict", photo, "--model", bad, "--out", tmp_path / "out"],
            ["evaluate", "--model", bad, "--data", city_root, "--json", tmp_path / "out" / "e.json"],
            ["export", bad, "--out", tmp_path / "out" / "m.safetensors"],
        ):
            said = complains(*command)
            assert words in said and str(bad) in said
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("assignment", ["peaks", "peak=1", "nms_iou=many"])
def test_a_decoder_that_cannot_be_is_not_exported(assignment, complains, model, tmp_path):
    out = tmp_path / "m.safetensors"
    assert assignment.split("=")[0] in complains("export", model, "--decode", assignment, "--out", out)
    assert not out.exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["train", "demos"], "unknown recipe 'demos': did you mean 'demo'"),
        (["train", "demo", "optim.lr=-1"], "optim.lr=-1: input should be greater than 0"),
        (["train", "demo", "training.precision=fp8"], "training.precision='fp8'"),
        (["train", "demo", "data.augment.crop=[60,64]"], "multiples of 32"),
        (["train", "demo", "--steps", "-3"], "training.steps=-3"),
        (["train", "demo", "--minutes=-1"], "training.minutes=-1"),
        (["train", "demo", "--steps", "many"], "many"),
        (["train", "demo", "--steps", "2", "--split", "tain"], "'tain': did you mean 'train'"),
        (["train", "demo", "--steps", "2", "--weights", "none.pth"], "none.pth"),
        (["train", "demo", "--steps", "2", "teacher=none.safetensors"], "none.safetensors: no such model"),
        (["train", "demo", "--steps", "2", "teacher=streets"], "make them equal"),
        (["train", "demo", "teacher_weight=-1"], "teacher_weight=-1"),
        (["train", "demo", "--steps", "2", "--resume"], "no run to resume"),
        (["train", "fcn32s", "backbone_weights=random"], "sets no length: give minutes or steps"),
    ],
)
def test_wrong_arguments_of_train(arguments, words, complains, city_root, tmp_path):
    said = complains(*arguments, "--data", city_root, "--out", tmp_path / "run")
    assert words in said
    assert not listing(tmp_path)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["predict", "--out", "OUT"], "no image given"),
        (["predict", "none.png", "--out", "OUT"], "none.png: no such file or folder"),
        (["predict", "EMPTY", "--out", "OUT"], "a folder without images"),
        (["predict", "PHOTO", "--out", "OUT", "--device", "cuda:99"], "device 'cuda:99'"),
        (["predict", "PHOTO", "--out", "OUT", "--device", "gpu"], "device 'gpu': give cpu"),
        (["predict", "PHOTO", "--out", "OUT", "--precision", "fp8"], "fp8"),
        (["predict", "PHOTO", "--out", "OUT", "--min-score", "7"], "min-score '7': give a number in 0..1"),
        (["predict", "PHOTO", "--out", "PHOTO"], "this is a file: give a folder"),
        (["predict", "PHOTO", "--out", "PHOTO/deeper"], "cannot write"),
        (["predict", "PHOTO", "--out", "/proc/none"], "cannot write /proc/none"),
        (["predict", "PHOTO"], "--out"),
        (["explain", "none.png", "--out", "OUT"], "none.png: no such file"),
        (["explain", "PHOTO", "--out", "OUT", "--at", "5"], "--at 5: give a pixel as X,Y"),
        (["explain", "PHOTO", "--out", "OUT", "--at", "²,3"], "--at ²,3: give a pixel as X,Y"),
        (["explain", "PHOTO", "--out", "OUT", "--at", "9999,1"], "pixel 9999,1: the image is"),
        (["explain", "PHOTO", "--out", "OUT", "--scale", "0"], "scale 0: give a number above 0, at most 8"),
        (["explain", "PHOTO", "--out", "OUT", "--no-overview"], "--no-overview: one view is explained: leave it out"),
        (["explain", "PHOTO", "--out", "OUT", "--overview"], "partwise: --overview: one view is explained"),
        (["explain", "PHOTO", "--out", "OUT", "--scale", "1", "--scale", "2"], "--scale"),
        (["predict", "PHOTO", "--out", "OUT", "--scale", "-1"], "scale -1: give a number above 0, at most 8"),
        (["evaluate", "--data", "CITY", "--scale", "1", "--scale", "99"], "scale 99: give a number above 0, at most 8"),
        (["explain", "PHOTO", "--out", "PHOTO"], "this is a file: give a folder"),
        (["evaluate", "--data", "none"], "none: no such file or folder"),
        (["evaluate", "--data", "CITY", "--split", "vla"], "'vla': did you mean 'val'"),
        (["evaluate", "--data", "CITY", "--frames", "-2"], "--frames -2"),
        (["evaluate", "--data", "CITY", "--predictions", "none"], "one of them at a time"),
        (["check", "none"], "none: no such file or folder"),
        (["predcit"], "predcit"),
        (["config", "demo", "optim.rl=3"], "did you mean 'optim.lr'"),
        (["demo", "--minutes", "0"], "--minutes 0.0"),
        (["demo", "--out", "PHOTO"], "this is a file"),
    ],
)
def test_wrong_arguments(arguments, words, complains, model, city_root, tmp_path):
    places = {"OUT": tmp_path / "out", "EMPTY": tmp_path / "empty", "PHOTO": tmp_path / "a.png", "CITY": city_root}
    places["EMPTY"].mkdir()
    Image.new("RGB", (32, 32), "grey").save(places["PHOTO"])
    given = [str(argument) for argument in arguments]
    for name, place in places.items():
        given = [argument.replace(name, str(place)) for argument in given]
    if given[0] in ("predict", "evaluate"):
        given += ["--model", str(model)]
    assert words in complains(*given)
    assert listing(tmp_path) == {"a.png"}


def test_a_gpu_that_is_not_there_is_named(complains, model, city_root, tmp_path, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    said = complains("evaluate", "--model", model, "--data", city_root, "--device", "cuda")
    assert "device 'cuda': torch sees no GPU here: give cpu" in said


@pytest.mark.parametrize("form", ["files", "cityscapes"])
def test_a_name_that_results_cannot_have_keeps_no_other_photo_from_them(form, model, scenes, fails, tmp_path):
    """Latin-1 out of an old zip; and a space, which the benchmark's form does not allow."""
    bad = os.fsencode(tmp_path) + (b"/a photo.png" if form == "cityscapes" else b"/caf\xe9.png")
    for path in (os.fsdecode(bad), tmp_path / "z.png"):
        Image.fromarray(scenes[0].image_HW3).save(path)
    said = fails("predict", tmp_path, "--model", model, "--out", tmp_path / "out", "--format", form)
    assert "rename" in said and "1 of 2" in said
    assert any("z" in path.name for path in (tmp_path / "out").rglob("*") if path.is_file())


def test_an_error_of_the_system_that_nobody_expected_is_one_line(complains, monkeypatch, tmp_path):
    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied", "/closed/two\nlines")

    monkeypatch.setattr("partwise.data.check.check", refuse)
    said = complains("check", tmp_path)
    assert said == "partwise: /closed/two\\nlines: permission denied: check the path and its permissions"


@pytest.mark.parametrize("printed", ["closed", "latin-1", "full"])
def test_figures_are_kept_whatever_becomes_of_what_is_printed(printed, model, city_root, tmp_path):
    """A pipe that nobody reads, letters that the output does not know, a full disk behind it."""
    out = tmp_path / "figures.json"
    command = [sys.executable, "-m", "partwise", "evaluate", "--model", model, "--data", city_root, "--frames", "1"]
    command += ["--json", out]
    how = {"stderr": subprocess.PIPE, "env": os.environ | {"PYTHONIOENCODING": "latin-1"}}
    if printed == "closed":
        process = subprocess.Popen(command, stdout=subprocess.PIPE, **how)
        process.stdout.close()
        said, code = process.communicate()[1].decode(), process.returncode
    else:
        with open("/dev/full" if printed == "full" else os.devnull, "w") as sink:  # noqa: PTH123
            done = subprocess.run(command, stdout=sink, **how, check=False)
        said, code = done.stderr.decode(), done.returncode
    assert json.loads(out.read_text())["images"] == 1
    assert "Traceback" not in said
    assert code == {"closed": code, "latin-1": 0, "full": 2}[printed]


def test_a_full_disk_while_predicting_leaves_nothing_half_written(
    complains, model, city_root, tmp_path, disk_full_after
):
    photo = next((city_root / "leftImg8bit").rglob("*.png"))
    with disk_full_after(2000):
        said = complains("predict", photo, "--model", model, "--out", tmp_path / "out")
    assert "cannot write" in said and not listing(tmp_path / "out")


def test_help_needs_no_torch():
    code = (
        "import sys; from partwise.cli import main\ntry: main(['--help'])\nfinally: assert 'torch' not in sys.modules"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert all(verb in said for verb in ("train", "predict", "evaluate", "check", "render", "demo", "export"))


def test_describe_shows_fields_that_the_model_file_leaves_to_their_defaults(says, tmp_path):
    said = says("describe", "streets", "--json", tmp_path / "streets.json")
    assert "method: parts, backbone efficientnet_lite0" in said and "non-commercial" in said
    assert json.loads((tmp_path / "streets.json").read_text())["method"]["k"] >= 1
