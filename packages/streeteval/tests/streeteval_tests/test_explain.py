"""The verdicts on an image are those that AP counts; the commands that say more write what they say."""

import csv
import json

import numpy as np
import pytest
from PIL import Image

from streeteval import Instances, Truth
from streeteval.explain import DUPLICATE, FALSE, FOUND, IGNORED, MISSED, NOT_COUNTED, TRUE, explain
from streeteval.labels import CITYSCAPES
from streeteval.metrics.average_precision import OVERLAPS, class_table
from streeteval.metrics.matching import EVERYWHERE, match, overlaps
from streeteval.picture import COLOURS, draw
from streeteval_tests.city import FRAMES, labels_of, make_city, truth_of
from streeteval_tests.test_commands import run

THINGS = [label.id for label in CITYSCAPES.things]


def scene_with_predictions(seed):
    """A scene with predictions near the truth, doubled, of other classes and anywhere; few distinct scores."""
    rng = np.random.default_rng(seed)
    ids_HW = truth_of(rng)
    labels, masks = [], []
    for value in np.unique(ids_HW).tolist():
        label = value // 1000 if value >= 1000 else value
        for _ in range(int(rng.integers(0, 3))):
            masks.append(np.roll(ids_HW == value, rng.integers(-3, 4, 2), (0, 1)))
            labels.append(label if label in THINGS and rng.random() < 0.8 else rng.choice(THINGS))
    scores = rng.integers(0, 6, len(masks)) / 5
    return Truth("street", labels_of(ids_HW), ids_HW), Instances.from_masks(labels, scores, masks, ids_HW.shape)


@pytest.mark.parametrize("seed", range(40))
@pytest.mark.parametrize("place", [0, 5])
def test_verdicts_are_what_ap_counts(seed, place):
    scene, instances = scene_with_predictions(seed)
    found = explain(scene, instances, overlap=float(OVERLAPS[place]))
    matches = match(overlaps(scene, instances), EVERYWHERE, THINGS)
    for label in CITYSCAPES.things:
        table = class_table([matches], label.id)
        verdicts = [one.verdict for one in found.predictions if one.label == label.name]
        assert verdicts.count(TRUE) == table.true_PO[:, place].sum()
        assert verdicts.count(FALSE) + verdicts.count(DUPLICATE) == table.false_PO[:, place].sum()
        assert len(verdicts) == len(table.image)
        of_truth = [one.verdict for one in found.truth if one.label == label.name]
        assert of_truth.count(FOUND) + of_truth.count(MISSED) == table.truths.sum()
        assert of_truth.count(FOUND) == verdicts.count(TRUE)


def box(ids_HW, value, x0, y0, x1, y1):
    ids_HW[y0:y1, x0:x1] = value
    return ids_HW


@pytest.fixture
def known():
    """One of every kind: found, doubled, false, on a group, on void, missed, confused and too small."""
    ids_HW = np.full((60, 140), 7, np.int32)
    for value, *place in (
        (26000, 0, 0, 20, 20),
        (26, 30, 0, 60, 20),
        (0, 70, 0, 90, 20),
        (24000, 100, 0, 115, 20),
        (24001, 120, 0, 128, 8),
        (25000, 0, 30, 20, 50),
        (33000, 100, 30, 120, 50),
    ):
        box(ids_HW, value, *place)
    wanted = [
        (26, 0.9, 0, 0, 20, 19),
        (26, 0.8, 0, 0, 19, 20),
        (26, 0.7, 30, 0, 50, 20),
        (26, 0.6, 70, 0, 90, 20),
        (26, 0.5, 0, 52, 20, 60),
        (24, 0.4, 0, 30, 20, 50),
        (33, 0.3, 100, 30, 108, 50),
    ]
    masks = [box(np.zeros(ids_HW.shape, bool), True, *place) for _, _, *place in wanted]
    found = Instances.from_masks([one[0] for one in wanted], [one[1] for one in wanted], masks)
    return Truth("known", labels_of(ids_HW), ids_HW), found


def test_every_reason_is_said(known):
    found = explain(*known)
    said = {one.number: (one.verdict, one.why) for one in found.predictions}
    assert said[0][0] == TRUE and "on 26000, IoU 0.95" in said[0][1]
    assert said[1][0] == DUPLICATE and "prediction 0 found with a higher confidence" in said[1][1]
    assert said[2][0] == IGNORED and "group" in said[2][1]
    assert said[3][0] == IGNORED and "100 % of its pixels" in said[3][1] and "void 100 %" in said[3][1]
    assert said[4] == (FALSE, "on no car; 100 % of it on road")
    assert said[5] == (FALSE, "on no person; 100 % of it on rider 25000")
    assert said[6][0] == FALSE and "IoU 0.40 is not above 0.5" in said[6][1]
    truth = {one.number: (one.verdict, one.why) for one in found.truth}
    assert truth[26000][0] == FOUND and truth[26][0] == NOT_COUNTED and truth[24001][0] == NOT_COUNTED
    assert truth[25000] == (MISSED, "prediction 5 covers it with IoU 1.00, but says person")
    assert truth[24000] == (MISSED, "no prediction of its class touches it")
    assert truth[33000] == (MISSED, "the best of its class, prediction 6, has IoU 0.40, not above 0.5")


def test_the_picture_has_the_colours_of_the_verdicts(known):
    larger = lambda map_HW: np.kron(map_HW, np.ones((5, 5), map_HW.dtype))
    scene = Truth("known", larger(known[0].semantic_HW), larger(known[0].instance_ids_HW))
    instances = known[1].resized(scene.size)
    image = np.asarray(draw(scene, instances, explain(scene, instances)))
    for verdict, (x, y) in {TRUE: (50, 93), IGNORED: (200, 98), FALSE: (50, 298)}.items():
        assert tuple(image[y, x]) == COLOURS[verdict], verdict
    photo = np.full((*scene.size, 3), 200, np.uint8)
    on_photo = np.asarray(draw(scene, instances, explain(scene, instances), photo))
    assert tuple(on_photo[275, 300]) == (200, 200, 200) and not (on_photo[200, 50] == 200).all()


def test_predictions_below_a_score_are_left_out_of_the_picture(known):
    larger = lambda map_HW: np.kron(map_HW, np.ones((5, 5), map_HW.dtype))
    scene = Truth("known", larger(known[0].semantic_HW), larger(known[0].instance_ids_HW))
    instances = known[1].resized(scene.size)
    told = explain(scene, instances)
    most_false = max(one.score for one in told.predictions if one.verdict == FALSE)
    height = scene.size[0]  # below it is the legend

    def has_false(min_score: float) -> bool:
        image = np.asarray(draw(scene, instances, told, min_score=min_score))[:height]
        return bool((image == COLOURS[FALSE]).all(2).any())

    assert has_false(0.0) and has_false(most_false) and not has_false(most_false + 0.001)


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    return make_city(tmp_path_factory.mktemp("own"))


def test_explain_writes_a_picture_and_the_list(own, tmp_path):
    where = ["--data", own.root, "--predictions", own.instances]
    done = run("streeteval", "explain", FRAMES[0], *where, "--out", tmp_path / "out", cwd=tmp_path)
    assert done.returncode == 0 and "true positive: " in done.stdout, done.stdout
    base = tmp_path / "out" / f"{FRAMES[0]}_explained"
    assert Image.open(f"{base}.png").size == (96, 88)
    held = json.loads((tmp_path / "out" / f"{FRAMES[0]}_explained.json").read_text())
    lines = (tmp_path / "out" / f"{FRAMES[0]}_explained.txt").read_text().splitlines()
    assert len(lines) == 1 + len(held["predictions"]) + len(held["truth"])
    photo = tmp_path / "photo.png"
    Image.new("RGB", (96, 48), "grey").save(photo)
    done = run("streeteval", "explain", FRAMES[0], *where, "--photo", photo, "--out", tmp_path, cwd=tmp_path)
    assert done.returncode == 0
    for words, said in (
        (["ulm_9"], "unknown frame 'ulm_9'"),
        ([FRAMES[0], "--overlap", "0.4"], "overlap 0.4: give .5 up"),
        ([FRAMES[0], "--photo", own.pixels / f"{FRAMES[0]}_none.png"], "no such file"),
    ):
        done = run("streeteval", "explain", *words, *where, cwd=tmp_path)
        assert done.returncode == 255 and said in done.stdout


def test_score_says_more_and_compare_says_which_is_better(tmp_path):
    names = [f"ulm_{number:06}_000019" for number in range(6)]
    own, worse = (make_city(tmp_path / name, names=names) for name in ("own", "worse"))
    done = run(
        *("streeteval", "score", "--data", own.root, "--predictions", own.root / "results", "--by-size", "--panoptic"),
        *("--intervals", "50", "--boundary", "--csv", tmp_path / "a.csv", "--json", tmp_path / "a.json"),
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stdout
    rows = list(csv.reader((tmp_path / "a.csv").read_text().splitlines()))
    names = [row[0] for row in rows]
    assert {"AP", "AP50", "boundary AP", "PQ", "IoU of classes", "AP car", "IoU road", "AP, 32-64 px"} <= set(names)
    held = json.loads((tmp_path / "a.json").read_text())
    assert float(rows[names.index("AP")][1]) == pytest.approx(100 * held["instance"]["ap"], abs=0.006)
    assert " to " in rows[names.index("AP")][2] and all(name in done.stdout for name in names)
    for path in worse.instances.glob("*_pred.txt"):
        path.write_text("".join(path.read_text().splitlines(keepends=True)[::2]))
    done = run("streeteval", "score", "--data", worse.root, "--predictions", worse.root / "results", "--boundary",
               "--panoptic", "--json", tmp_path / "b.json", cwd=tmp_path)  # fmt: skip
    assert done.returncode == 0, done.stdout
    done = run("streeteval", "compare", tmp_path / "b.json", tmp_path / "a.json", "--draws", "200", cwd=tmp_path)
    assert done.returncode == 0 and "instance.ap: " in done.stdout and "95 % interval" in done.stdout
    done = run("streeteval", "compare", tmp_path / "a.csv", tmp_path / "a.json", cwd=tmp_path)
    assert done.returncode == 255 and "a.csv" in done.stdout


def test_few_images_have_no_interval_and_it_is_said(own, tmp_path):
    where = ("--data", own.root, "--predictions", own.root / "results", "--intervals", "50")
    done = run("streeteval", "score", *where, "--json", tmp_path / "a.json", cwd=tmp_path)
    assert done.returncode == 0 and "too few images" in done.stdout and " to " not in done.stdout
    done = run("streeteval", "compare", tmp_path / "a.json", tmp_path / "a.json", cwd=tmp_path)
    assert "instance.ap: no difference can be given, too few images" in done.stdout
