"""Result files: the official tool reads what we write, what is read back scores the same, faults are listed."""

import os
import re
import signal
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from evaluation.oracle import same, score_files, write_truth
from evaluation.scenes import painted, predicted, random_instances, random_scenes, random_semantic, scene_of
from partwise.errors import PartwiseError
from partwise.evaluation.submission import write_submission
from partwise.scene import Prediction
from streeteval.evaluator import CityscapesEvaluator
from streeteval.scoring import evaluate_folder

CAR = (26, 0.9, 5, 5, 25, 25)
SCENE = scene_of(painted((26000, 5, 5, 25, 25)))


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_files_score_as_memory_does(data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("results")
    scenes = data.draw(random_scenes())
    in_memory = CityscapesEvaluator()
    for scene in scenes:
        instances = data.draw(random_instances(scene))
        semantic_HW = data.draw(random_semantic(scene))
        in_memory.update(scene, instances, semantic_HW)
        write_submission(scene.name, Prediction(instances, semantic_HW), folder)
    from_files = evaluate_folder(folder, scenes)
    from_files.pop("warnings")  # of caravans, which have no AP
    assert from_files == in_memory.compute()


def test_the_official_tool_reads_what_is_written(tmp_path):
    instances = predicted(CAR, (26, 1 / 3, 30, 5, 50, 25), (24, 0.1, 0, 0, 9, 9))
    write_submission(SCENE.name, Prediction(instances, SCENE.semantic_HW), tmp_path / "out")
    truth = str(write_truth(tmp_path, SCENE)[1])
    text = tmp_path / "out" / "instances" / f"{SCENE.name}_pred.txt"
    official, _ = score_files(text.parent, [truth], [str(text)])
    ours = evaluate_folder(tmp_path / "out", [SCENE])
    assert same(ours["instance"]["ap"], official["allAp"])
    assert ours["semantic"]["iou_class"] == 1.0


def test_several_processes_give_the_same_numbers(tmp_path):
    scenes = [scene_of(SCENE.instance_ids_HW, f"ulm_{i:06}_000019") for i in range(5)]
    for i, scene in enumerate(scenes):
        prediction = Prediction(predicted((26, 0.1 * i, 5 + i, 5, 25 + i, 25)), np.roll(scene.semantic_HW, i, 1))
        write_submission(scene.name, prediction, tmp_path)
    seen = []
    several = evaluate_folder(tmp_path, scenes, workers=2, progress=lambda done, total: seen.append((done, total)))
    assert several == evaluate_folder(tmp_path, scenes)
    assert seen[-1] == (5, 5)


def die(name: str):
    """As the depth of a frame: what the kernel does to a process that takes too much memory."""
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_process_that_is_killed_is_one_line(tmp_path):
    scenes = [scene_of(SCENE.instance_ids_HW, f"ulm_{i:06}_000019") for i in range(3)]
    for scene in scenes:
        write_submission(scene.name, Prediction(predicted(CAR), scene.semantic_HW), tmp_path)
    with pytest.raises(PartwiseError, match=r"worker \d of 2 \(process \d+\) was ended by SIGKILL.*give fewer workers"):
        evaluate_folder(tmp_path, scenes, workers=2, depth=die)


def test_only_one_kind_of_file_scores_only_that(tmp_path):
    write_submission(SCENE.name, Prediction(predicted(CAR), SCENE.semantic_HW), tmp_path)
    assert evaluate_folder(tmp_path / "pixels", [SCENE])["instance"] is None
    assert evaluate_folder(tmp_path / "instances", [SCENE])["semantic"] is None


def test_a_frame_does_not_take_the_files_of_a_longer_number(tmp_path):
    scenes = [scene_of(SCENE.instance_ids_HW, name) for name in ("street_1", "street_10")]
    for scene in scenes:
        write_submission(scene.name, Prediction(predicted(CAR)), tmp_path)
    assert evaluate_folder(tmp_path, scenes)["instance"]["ap"] == 1.0


def test_any_non_zero_value_and_any_mode_of_a_mask_counts(tmp_path):
    full = predicted(CAR).full_mask(0)
    for mode in ("1", "L", "RGB", "P"):
        folder = tmp_path / mode
        folder.mkdir()
        Image.fromarray(full.astype(np.uint8)).point(lambda value: value * 3).convert("L").convert(
            mode if mode != "1" else "L"
        ).save(folder / "mask.png")
        if mode == "1":
            Image.fromarray(full).save(folder / "mask.png")
        (folder / f"{SCENE.name}.txt").write_text("mask.png 26.0 1e-3\n")
        assert evaluate_folder(folder, [SCENE])["instance"]["ap"] == 1.0, mode


def write_line(folder: Path, line: str, size=(40, 56)) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.ones(size, np.uint8)).save(folder / "mask.png")
    (folder / f"{SCENE.name}_pred.txt").write_bytes(line.encode())


FAULTS = {
    "another size": (("mask.png 26 0.5\n", (40, 50)), r"50x40, the truth 56x40"),
    "leaves the folder": (("../../mask.png 26 0.5\n",), r"leaves the folder"),
    "absolute": (("/mask.png 26 0.5\n",), r"is absolute"),
    "missing mask": (("other.png 26 0.5\n",), r"'other.png' does not exist"),
    "a mask in place of its path": (("1" * 300 + " 26 0.5\n",), r"does not exist"),
    "no class": (("mask.png car 0.5\n",), r"label id 'car' is no id .*: classes with instances are 24 person, "),
    "an unknown class": (("mask.png 77 0.5\n",), r"label id '77' is no id of cityscapes"),
    "half a class": (("mask.png 26.5 0.5\n",), r"label id '26.5'"),
    "train ids": (("mask.png 13 0.5\n",), r"classes without instances \(13 fence\): .*24 for person\), not train ids"),
    "no number": (("mask.png 26 high\n",), r"confidence 'high' is no finite number"),
    "nan": (("mask.png 26 nan\n",), r"confidence 'nan' is no finite number"),
    "absolute on Windows": (("C:\\mask.png 26 0.5\n",), r"is absolute"),
    "spaces": (("my mask.png 26 0.5\n",), r":1: 4 fields"),
    "tabs": (("mask.png\t26\t0.5\n",), r":1: 1 fields in 'mask.png\\t26"),
    "binary": (("\0" * 9999,), r":1: 1 fields in '(\\x00)+\.\.\.' instead"),
    "twice": (("mask.png 26 0.5\nmask.png 24 0.5\n",), r":2: mask mask.png is already in line 1, with another class"),
    "not an image": (("../text_pred.png 26 0.5\n",), r"cannot be read"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_has_one_clear_line(fault, tmp_path):
    arguments, expected = FAULTS[fault]
    (tmp_path / "text_pred.png").write_text("no image")
    write_line(tmp_path / "results", *arguments)
    with pytest.raises(PartwiseError) as error:
        evaluate_folder(tmp_path if fault == "not an image" else tmp_path / "results", [SCENE])
    head, *lines = str(error.value).split("\n")
    assert "1 fault," in head and len(lines) == 1 and len(lines[0]) < 700
    assert re.search(expected, lines[0]) and (f"{SCENE.name}_pred.txt" in lines[0] or fault == "train ids")


def test_all_faults_of_all_images_are_listed_in_one_pass(tmp_path):
    scenes = [scene_of(SCENE.instance_ids_HW, f"ulm_{i:06}_000019") for i in range(4)]
    write_submission(scenes[0].name, Prediction(predicted(CAR), SCENE.semantic_HW), tmp_path)
    (tmp_path / f"{scenes[1].name}.txt").write_text("a.png 26 1\nb.png 777 x\n")
    Image.fromarray(np.full((40, 56), 255, np.uint8)).save(tmp_path / f"{scenes[1].name}_labelIds.png")
    (tmp_path / f"{scenes[2].name}.txt").write_text("")
    Image.fromarray(np.zeros((40, 57), np.uint8)).save(tmp_path / f"{scenes[2].name}_labelIds.png")
    (tmp_path / f"{scenes[3].name}.txt").write_text("")
    (tmp_path / f"{scenes[3].name}_again.txt").write_text("")
    with pytest.raises(PartwiseError) as error:
        evaluate_folder(tmp_path, scenes)
    text = str(error.value)
    for expected in (
        "'a.png' does not exist",
        "'b.png' does not exist",
        "label id '777'",
        "confidence 'x'",
        "value 255 is no label id",
        "57x40, the truth 56x40",
        f"2 files {scenes[3].name}*.txt",
        f"no file {scenes[3].name}*labelIds.png",
    ):
        assert expected in text, text
    assert len(text.split("\n")) == 1 + 8


@pytest.mark.parametrize("folder", ["nowhere", "empty"])
def test_a_folder_without_results_is_refused(folder, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(PartwiseError, match=r"give the folder of the result files"):
        evaluate_folder(tmp_path / folder, [SCENE])


def test_a_name_that_the_form_cannot_hold_is_refused(tmp_path):
    with pytest.raises(PartwiseError, match="no space and no slash"):
        write_submission("my photo", Prediction(predicted(CAR)), tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_file_that_the_system_does_not_give_is_a_fault_like_others(tmp_path, monkeypatch):
    write_line(tmp_path, "mask.png 26 0.5\n")
    read = Path.read_bytes

    def refuse(path: Path) -> bytes:
        if path.suffix == refused:
            raise PermissionError(13, "Permission denied")
        return read(path)

    monkeypatch.setattr(Path, "read_bytes", refuse)
    for refused, what in ((".png", r"_pred.txt:1: mask mask.png"), (".txt", r"_pred.txt")):
        with pytest.raises(PartwiseError, match=what + r":? cannot be read \(permission denied\)"):
            evaluate_folder(tmp_path, [SCENE])
