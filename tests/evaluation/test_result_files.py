"""Which files of other tools are taken for which frame, and what of them is read: as the official tool does it."""

import argparse
import os
import signal
from pathlib import Path

import cityscapesscripts.evaluation.evalInstanceLevelSemanticLabeling as official_instance  # noqa: N813
import cityscapesscripts.evaluation.evalPixelLevelSemanticLabeling as official_pixel  # noqa: N813
import numpy as np
import pytest
from PIL import Image

from evaluation.oracle import same, score_files, write_truth
from evaluation.scenes import painted, predicted, scene_of
from partwise.errors import PartwiseError
from partwise.evaluation.submission import write_submission
from partwise.scene import Prediction
from streeteval.evaluator import CityscapesEvaluator
from streeteval.labels import CITYSCAPES
from streeteval.reading.faults import SHOWN_OF_A_KIND
from streeteval.reading.result_files import ReadOptions, ResultFiles
from streeteval.reading.result_ids import fault_of_numbering
from streeteval.scoring import ResultFilesError, evaluate_folder, score_results

NAME = "ulm_000000_000019"
SCENE = scene_of(painted((26000, 5, 5, 25, 25), (11, 0, 30, 56, 40)), NAME)
CAR = predicted((26, 0.9, 5, 5, 25, 25)).full_mask(0)


def write_masks(folder: Path, text: str, mask: str = "mask.png", end: str = ".txt") -> Path:
    """A .txt of SCENE and the mask of its car."""
    (folder / mask).parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(CAR).save(folder / mask)
    path = folder / f"{NAME}{end}"
    path.write_bytes(text.encode())
    return path


def write_ids(path: Path, ids_HW=SCENE.semantic_HW) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(ids_HW).save(path, format="PNG")
    return path


def official_choice(module, root: Path) -> str:
    """The file that the official tool takes for SCENE's frame below a folder."""
    args = argparse.Namespace(predictionPath=str(root), predictionWalk=None)
    truth = f"{NAME}_gtFine_labelIds.png"
    return module.getPrediction(args, truth) if module is official_pixel else module.getPrediction(truth, args)


PIXEL_NAMES = {
    "ours": f"{NAME}_labelIds.png",
    "mmsegmentation": f"{NAME}_leftImg8bit.png",
    "detectron2": f"{NAME}_leftImg8bit_pred.png",
    "the truth's name": f"val/ulm/{NAME}_gtFine_labelIds.png",
    "the frame alone": f"{NAME}.png",
}


@pytest.mark.parametrize("tool", PIXEL_NAMES)
def test_label_ids_of_any_tool_are_read(tool, tmp_path):
    path = write_ids(tmp_path / PIXEL_NAMES[tool])
    (tmp_path / "README.txt").write_text("made by\n\nmmsegmentation\n")
    (tmp_path / "log.txt").write_text("iteration 1 loss 0.1")
    assert official_choice(official_pixel, tmp_path) == str(path)
    figures = evaluate_folder(tmp_path, [SCENE])
    assert figures["semantic"]["iou_class"] == 1.0 and figures["instance"] is None
    assert [Path(one["file"]).name for one in figures["warnings"]] == ["README.txt", "log.txt"]


@pytest.mark.parametrize("end", [".txt", "_pred.txt", "_leftImg8bit_pred.txt"])
@pytest.mark.parametrize("mask", ["mask.png", f"{NAME}_leftImg8bit_0_car.png", "masks/0.png"])
def test_instances_of_any_tool_are_read(end, mask, tmp_path):
    """detectron2 and mmdetection write the masks beside the .txt; they are no label ids."""
    path = write_masks(tmp_path / "ulm", f"{mask} 26 0.5\n", mask, end)
    assert official_choice(official_instance, tmp_path) == str(path)
    figures = evaluate_folder(tmp_path, [SCENE])
    assert figures["instance"]["ap"] == 1.0 and figures["semantic"] is None and figures["warnings"] == []


def test_suffixes_in_capitals_are_read(tmp_path):
    write_masks(tmp_path, "MASK.PNG 26 1\n", "MASK.PNG", "_PRED.TXT")
    write_ids(tmp_path / f"{NAME}_labelIds.PNG")
    figures = evaluate_folder(tmp_path, [SCENE])
    assert figures["instance"]["ap"] == figures["semantic"]["iou_class"] == 1.0


def test_the_longer_name_owns_its_files(tmp_path):
    """A frame street and a frame street_night, as photos of one's own are called."""
    names = ["street", "street_night", "street_night_2"]
    scenes = [scene_of(SCENE.instance_ids_HW, name) for name in names]
    for scene in scenes:
        write_submission(scene.name, Prediction(predicted((26, 0.9, 5, 5, 25, 25)), scene.semantic_HW), tmp_path)
    figures = evaluate_folder(tmp_path, scenes)
    assert figures["instance"]["ap"] == figures["semantic"]["iou_class"] == 1.0 and figures["images"] == 3
    files = ResultFiles.find(tmp_path, names[:1], {"night": names[1:]})
    assert [path.name for path in files.instance["street"]] == ["street_pred.txt"], "also if it is of another split"
    assert len(files.warnings) == 2 and "split night" in str(files.warnings[0])


@pytest.mark.parametrize("kind", [".txt", ".png"])
def test_two_files_for_a_frame_are_one_line_that_names_both(kind, tmp_path):
    for end in (f"_leftImg8bit{kind}", f"_color{kind}"):
        (tmp_path / f"{NAME}{end}").write_bytes(b"")
    with pytest.raises(ResultFilesError) as error:
        evaluate_folder(tmp_path, [SCENE])
    (fault,) = error.value.faults
    assert f"{NAME}_color{kind} and {NAME}_leftImg8bit{kind}" in str(fault) and "keep one" in str(fault)


def test_what_is_called_label_ids_comes_before_other_pictures(tmp_path):
    """As predict writes them for people: an overlay and instanceIds are beside the labelIds."""
    write_ids(tmp_path / f"{NAME}_leftImg8bit_labelIds.png")
    for end in ("_overlay.png", "_instanceIds.png"):
        write_ids(tmp_path / f"{NAME}_leftImg8bit{end}", np.zeros((40, 56), np.uint8))
    (tmp_path / f"{NAME}_leftImg8bit.json").write_text("{}")
    figures = evaluate_folder(tmp_path, [SCENE])
    assert figures["semantic"]["iou_class"] == 1.0 and figures["instance"] is None
    said = [f"{one['file']} {one['problem']}: {one['remedy']}" for one in figures["warnings"]]
    assert any("no AP from 1 .json file: instances are read from <frame>*.txt" in one for one in said)
    assert sum("is not the labelIds.png of its frame: it is not read" in one for one in said) == 2


def test_a_mask_that_is_called_like_another_frame_is_no_file_of_that_frame(tmp_path):
    """The second mask of the frame street is called street_1.png."""
    scenes = [scene_of(SCENE.instance_ids_HW, name) for name in ("street", "street_1")]
    found = predicted((26, 0.9, 5, 5, 25, 25), (24, 0.1, 30, 0, 50, 9))
    for scene in scenes:
        write_submission(scene.name, Prediction(found, scene.semantic_HW), tmp_path)
    figures = evaluate_folder(tmp_path, scenes)
    assert figures["instance"]["ap"] == figures["semantic"]["iou_class"] == 1.0 and figures["warnings"] == []


def test_pictures_beside_instances_are_counted_and_not_read(tmp_path):
    write_masks(tmp_path, "mask.png 26 1\n")
    write_ids(tmp_path / f"{NAME}_visualised.png")
    figures = evaluate_folder(tmp_path, [SCENE])
    assert figures["instance"]["ap"] == 1.0 and figures["semantic"] is None
    (warning,) = figures["warnings"]
    assert warning["file"].endswith("_visualised.png") and "labelIds.png" in warning["problem"]


def test_hidden_files_are_no_results_and_links_are_followed_once(tmp_path):
    write_ids(tmp_path / "elsewhere" / "ulm" / f"{NAME}.png")
    results = tmp_path / "results"
    for hidden in (".ipynb_checkpoints", "__MACOSX", "@eaDir"):
        write_ids(results / hidden / f"{NAME}.png")
    write_ids(results / f"._{NAME}.png")
    (results / "ulm").symlink_to(tmp_path / "elsewhere" / "ulm")
    (results / "ulm" / "again").symlink_to(results)
    assert evaluate_folder(results, [SCENE])["semantic"]["iou_class"] == 1.0


def nothing(folder: Path) -> None:
    folder.mkdir()


NO_RESULTS = {
    "an empty folder": (
        nothing,
        r"neither <frame>\*.txt \(instances\) nor <frame>\*.png \(pixels\) in it or below: gi",
    ),
    "a zip": (lambda folder: folder.with_suffix(".zip").write_bytes(b"PK"), r"this is a file: unpack it, and give "),
    "another file": (lambda folder: folder.write_text("[]"), r"this is a file: give the folder"),
    "a folder with a zip": (lambda folder: write_ids(folder / "val.zip"), r"in it or below: unpack val.zip"),
    "other names": (
        lambda folder: write_ids(folder / "0001.png"),
        rf"none of its 1 file, such as 0001.png, .* {NAME}:",
    ),
    "another split": (
        lambda folder: write_ids(folder / "bonn_1.png"),
        r"frames of the split train: score them on that",
    ),
    "for people": (
        lambda folder: write_ids(folder / f"{NAME}.json"),
        r"instances are read from <frame>\*.txt and masks, as",
    ),
}


@pytest.mark.parametrize("what", NO_RESULTS)
def test_a_folder_without_results_of_the_split_is_one_line(what, tmp_path):
    make, expected = NO_RESULTS[what]
    make(tmp_path / "results")
    folder = tmp_path / ("results.zip" if what == "a zip" else "results")
    with pytest.raises(PartwiseError, match=expected):
        ResultFiles.find(folder, [NAME], {"train": ["bonn_1"], "test": ["berlin_1"]})


READ_AS_ONE_CAR = {
    "as documented": "mask.png 26 0.5\n",
    "no line end at the end": "mask.png 26 0.5",
    "Windows line ends": "mask.png 26 0.5\r\n",
    "old line ends": "mask.png 26 0.5\r",
    "a byte order mark": "\ufeffmask.png 26 0.5\n",
    "empty lines": "\n\nmask.png 26 0.5\n \n\n",
    "a space at the end": "mask.png 26 0.5 \n",
    "the class as a float": "mask.png 26.0 5e-1\n",
    "through a folder": "masks/../mask.png 26 0.5\n",
    "backslashes": "masks\\..\\mask.png 26 0.5\n",
    "a confidence above 1": "mask.png 26 99.5\n",
    "a confidence beyond float32": "mask.png 26 1e300\n",
}


@pytest.mark.parametrize("how", READ_AS_ONE_CAR)
def test_lines_that_mean_one_thing_are_read(how, tmp_path):
    write_masks(tmp_path / "results", READ_AS_ONE_CAR[how])
    (tmp_path / "results" / "masks").mkdir()
    figures = evaluate_folder(tmp_path / "results", [SCENE])
    assert figures["instance"]["ap"] == 1.0 and figures["warnings"] == []


LEFT_OUT = {
    "a caravan": "mask.png 26 0.5\nother.png 29 0.9\n",
    "a class without instances": "mask.png 26 0.5\nother.png 7 0.9\n",
    "the same line twice": "mask.png 26 0.5\nmask.png 26 0.5\n",
    "an empty mask": "mask.png 26 0.5\nempty.png 26 0.9\n",
}


@pytest.mark.parametrize("what", LEFT_OUT)
def test_what_the_official_tool_leaves_out_is_counted(what, tmp_path):
    folder = tmp_path / "results"
    text = write_masks(folder, LEFT_OUT[what])
    write_masks(folder, LEFT_OUT[what], "other.png")
    Image.fromarray(np.zeros_like(CAR)).save(folder / "empty.png")
    official, _ = score_files(folder, [str(write_truth(tmp_path, SCENE)[1])], [str(text)])
    figures = evaluate_folder(folder, [SCENE])
    assert same(figures["instance"]["ap"], official["allAp"]) and official["allAp"] == 1.0
    (warning,) = figures["warnings"]
    assert warning["file"] == f"{text}:2" and "as in the official tool" in warning["remedy"]


def palette_image(dark: bool) -> Image.Image:
    """Index 1 is inside: black or white to the eye."""
    image = Image.fromarray(CAR.astype(np.uint8), "P")
    image.putpalette([0, 0, 0, 0, 0, 0] if dark else [0, 0, 0, 255, 255, 255])
    return image


MASKS = {
    "1 bit": lambda: Image.fromarray(CAR),
    "0 and 1": lambda: Image.fromarray(CAR.astype(np.uint8)),
    "0 and 255": lambda: Image.fromarray(CAR.astype(np.uint8) * 255),
    "16 bit, 1": lambda: Image.fromarray(CAR.astype(np.uint16)),
    "16 bit, 65535": lambda: Image.fromarray(CAR.astype(np.uint16) * 65535),
    "palette": lambda: palette_image(dark=False),
    "palette, all black": lambda: palette_image(dark=True),
    "colour with transparency": lambda: Image.fromarray(CAR.astype(np.uint8) * 255).convert("RGBA"),
}


@pytest.mark.filterwarnings("ignore:'mode' parameter is deprecated")
@pytest.mark.parametrize("kind", MASKS)
def test_masks_of_every_kind_count_as_in_the_official_tool(kind, tmp_path):
    text = write_masks(tmp_path / "results", "mask.png 26 0.5\n")
    MASKS[kind]().save(tmp_path / "results" / "mask.png")
    official, _ = score_files(tmp_path / "results", [str(write_truth(tmp_path, SCENE)[1])], [str(text)])
    figures = evaluate_folder(tmp_path / "results", [SCENE])
    assert same(figures["instance"]["ap"], official["allAp"])
    assert (figures["instance"]["ap"] == 0) == bool(figures["warnings"]), "a mask that is empty is said to be"


def as_palette(ids_HW: np.ndarray) -> Image.Image:
    """As mmsegmentation writes it: indices are the ids."""
    image = Image.fromarray(ids_HW).convert("P")
    image.putpalette(CITYSCAPES.colours.tobytes())
    return image


def test_label_ids_with_a_palette_or_16_bits_are_read(tmp_path):
    assert SCENE.semantic_HW.max() == 26
    for name, image in (
        ("palette", as_palette(SCENE.semantic_HW)),
        ("deep", Image.fromarray(SCENE.semantic_HW.astype(np.uint16))),
    ):
        (tmp_path / name).mkdir()
        image.save(tmp_path / name / f"{NAME}.png")
        assert evaluate_folder(tmp_path / name, [SCENE])["semantic"]["iou_class"] == 1.0


TRAIN_IDS = CITYSCAPES.id_to_train_id[SCENE.semantic_HW]
NO_LABEL_IDS = {
    "train ids": (TRAIN_IDS, r"these are train ids: write label ids \(7 for road, not 0\)"),
    "train ids and 255": (np.where(CAR, 255, TRAIN_IDS).astype(np.uint8), r"these are train ids"),
    "half of them right": (np.where(CAR, 5, np.roll(TRAIN_IDS, 28, 1)).astype(np.uint8), r"these are train ids"),
    "instance ids": (SCENE.instance_ids_HW.astype(np.uint16), r"value 26000: these are instance ids"),
    "an unknown id": (np.full((40, 56), 77, np.uint8), r"value 77 is no label id of cityscapes: write label ids, 0 to"),
    "colours": (CITYSCAPES.colours[SCENE.semantic_HW], r"a colour image \(RGB\)"),
    "another size": (SCENE.semantic_HW[:-1], r"is 56x39, the truth 56x40: write it at the truth's size"),
}


@pytest.mark.parametrize("what", NO_LABEL_IDS)
def test_what_is_no_map_of_label_ids_is_recognised(what, tmp_path):
    ids_HW, expected = NO_LABEL_IDS[what]
    path = write_ids(tmp_path / f"{NAME}.png", ids_HW)
    with pytest.raises(ResultFilesError, match=expected) as error:
        evaluate_folder(tmp_path, [SCENE])
    assert [fault.file for fault in error.value.faults] == [str(path)]


@pytest.mark.parametrize("kind", ["TIFF of floats", "TIFF below 0", "JPEG", "text", "empty"])
def test_what_is_no_image_of_ids_is_one_line(kind, tmp_path):
    path = tmp_path / f"{NAME}.png"
    if kind.startswith("TIFF"):
        Image.fromarray((SCENE.semantic_HW * -1.0).astype("f" if "floats" in kind else "i4")).save(path, "TIFF")
    elif kind == "JPEG":
        Image.fromarray(SCENE.semantic_HW).save(path, "JPEG")
    else:
        path.write_text(kind.removeprefix("empty"))
    with pytest.raises(ResultFilesError) as error:
        evaluate_folder(tmp_path, [SCENE])
    assert len(error.value.faults) == 1 and str(error.value.faults[0]).startswith(str(path))


@pytest.mark.parametrize("end", [".txt", ".png"])
def test_a_pipe_is_no_file_and_is_not_waited_for(end, tmp_path):
    os.mkfifo(tmp_path / f"{NAME}{end}")
    signal.alarm(20)  # ends the tests if it is read
    try:
        with pytest.raises(ResultFilesError, match=r"cannot be read \(a pipe, a socket or a device\)"):
            evaluate_folder(tmp_path, [SCENE])
    finally:
        signal.alarm(0)


@pytest.mark.parametrize("value", [0, 7, 8, 11])
def test_a_poor_map_of_label_ids_is_no_fault(value, tmp_path):
    """One class everywhere, unlabelled too; or two: all these ids are train ids of some class as well."""
    one = np.full((40, 56), value, np.uint8)
    for ids_HW in (one, np.where(CAR, 17, one), np.where(CAR, one, 0), np.where(SCENE.semantic_HW == 11, 11, one)):
        write_ids(tmp_path / f"{NAME}.png", ids_HW.astype(np.uint8))
        figures = evaluate_folder(tmp_path, [SCENE])
        said = [one["problem"] for one in figures["warnings"]]
        nothing = ["IoU class is 0: not one pixel of an evaluated class is right"]
        assert said == ([] if figures["semantic"]["iou_class"] else nothing)


@pytest.mark.parametrize("seed", range(200))
def test_label_ids_at_random_are_not_taken_for_other_numbers(seed):
    """Segments of 19 classes and void as a bad network sees them: low label ids that are train ids of others, too."""
    rng = np.random.default_rng(seed)
    segment_HW = np.kron(rng.integers(0, 30, (6, 8)), np.ones((6, 6), int))
    true = rng.choice([0, 4, *(label.id for label in CITYSCAPES.evaluated)], 30)
    low = [0, *(label.id for label in CITYSCAPES.evaluated if label.id <= 19)]
    known = np.isin(true, low) & (rng.random(30) < rng.choice([0, 0.1, 0.3]))
    found_HW = np.where(known, true, rng.choice(low, 30))[segment_HW]
    assert fault_of_numbering(found_HW, scene_of(true[segment_HW]), "a.png") is None


VOID = (4, 40, 0, 56, 10)
NUMBERED = scene_of(painted((26000, 5, 5, 25, 25), (33000, 30, 5, 39, 25), (11, 0, 30, 56, 40), VOID), NAME)
NUMBERINGS = {
    "train ids": (lambda train_HW: train_HW, "these are train ids: write"),
    "20 outputs": (
        lambda train_HW: np.where(train_HW == 255, 19, train_HW),
        "these are train ids with 19 for no class",
    ),
    "from 1": (
        lambda train_HW: np.where(train_HW == 255, 0, train_HW + 1),
        r"these are train ids \+ 1 with 0 for no cl",
    ),
}


@pytest.mark.parametrize("wrong", [0, 0.3])
@pytest.mark.parametrize("what", NUMBERINGS)
def test_another_numbering_of_the_classes_is_named(what, wrong, tmp_path):
    """Also where many pixels are wrong: each would have an IoU near 0 without a word."""
    change, expected = NUMBERINGS[what]
    rng = np.random.default_rng(0)
    train_HW = CITYSCAPES.id_to_train_id[NUMBERED.semantic_HW].astype(int)
    train_HW = np.where(rng.random(train_HW.shape) < wrong, rng.integers(0, 19, train_HW.shape), train_HW)
    write_ids(tmp_path / f"{NAME}.png", change(train_HW).astype(np.uint8))
    with pytest.raises(ResultFilesError, match=rf"{NAME}\.png: {expected}.*--train-ids"):
        evaluate_folder(tmp_path, [NUMBERED])
    files = ResultFiles.find(tmp_path, [NAME], options=ReadOptions(train_ids=True))
    evaluator = CityscapesEvaluator()
    if what == "train ids":
        assert score_results(files, [NUMBERED], evaluator) == []
        assert (evaluator.compute()["semantic"]["iou_class"] == 1) == (wrong == 0)
    else:
        said = "value 19 is no train id" if what == "20 outputs" else f"{expected}.*write train ids"
        with pytest.raises(ResultFilesError, match=f"{said}.*255 for no class"):
            score_results(files, [NUMBERED], evaluator)


def test_many_faults_of_a_kind_are_few_lines_and_the_most_frequent_kind_is_first(tmp_path):
    scenes = [scene_of(SCENE.instance_ids_HW, f"ulm_{i:06}_000019") for i in range(30)]
    for scene in scenes[:20]:
        write_submission(scene.name, Prediction(predicted(*[(26, 0.9, 0, 0, 9, 9)] * 4, size=(20, 20))), tmp_path)
    with pytest.raises(ResultFilesError) as error:
        evaluate_folder(tmp_path, scenes)
    assert len(error.value.faults) == 20 * 4 + 10, "all of them are kept"
    head, *lines = str(error.value).split("\n")
    assert "90 faults" in head and len(lines) == 2 * (SHOWN_OF_A_KIND + 1)
    places = [line.split(":")[1] for line in lines[:SHOWN_OF_A_KIND]]
    assert places == ["1", "2", "3", "4", "1"], "line after line, then the next file"
    assert "and 75 more of this kind: write it at the truth's size" in lines[SHOWN_OF_A_KIND]
    assert "and 5 more of this kind: every frame of the split needs one" in lines[-1]
