"""Rendered sequences on the disk: frames or a video, ids, JSON lines and MOTS agree with each other."""

import json

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as coco_mask

av = pytest.importorskip("av", reason="needs the extra `video`")

from partwise.cli import main  # noqa: E402
from partwise.data.streets.sequence import render_sequence  # noqa: E402
from partwise.errors import PartwiseError  # noqa: E402
from partwise.video.rendered import write_sequences  # noqa: E402

SIZE = (64, 128)


def test_all_files_say_the_same(tmp_path):
    streets = [render_sequence(seed, 4, SIZE, rate=12.5) for seed in (2, 3)]
    calls = []
    written = write_sequences(tmp_path / "S", streets, progress=lambda *one: calls.append(one))
    assert written == [tmp_path / "S/street_000002", tmp_path / "S/street_000003"]
    assert calls == [(i, 8) for i in range(1, 9)]
    for street in streets:
        lines = [json.loads(line) for line in (tmp_path / f"S/{street.name}.jsonl").read_text().splitlines()]
        mots = [line.split() for line in (tmp_path / f"S/{street.name}.txt").read_text().splitlines()]
        for i, scene in enumerate(street):
            ids_HW = np.array(Image.open(tmp_path / f"S/{street.name}_instanceIds/{i:06d}.png"))
            assert np.array_equal(ids_HW, scene.instance_ids_HW)
            assert np.array_equal(np.array(Image.open(tmp_path / f"S/{street.name}/{i:06d}.png")), scene.image_HW3)
            assert lines[i]["seconds"] == pytest.approx(i / 12.5)
            told = {one["category_id"] * 1000 + one["track"]: one["segmentation"] for one in lines[i]["instances"]}
            assert set(told) == {int(id_) for id_ in np.unique(ids_HW) if id_ >= 1000}
            for id_, rle in told.items():
                assert np.array_equal(coco_mask.decode(rle).astype(bool), ids_HW == id_)
            cars = {int(row[1]) % 1000 for row in mots if int(row[0]) == i and row[2] == "1"}
            assert cars == {id_ % 1000 for id_ in told if id_ // 1000 == 26}


def test_a_sequence_as_a_video(tmp_path, capsys):
    main(
        [
            "render",
            str(tmp_path / "S"),
            "--sequences",
            "1",
            "--frames",
            "5",
            "--size",
            "128x64",
            "--seed",
            "2",
            "--video",
        ]
    )
    assert "next: partwise predict" in capsys.readouterr().out
    with av.open(str(tmp_path / "S/street_020000.mp4")) as file:
        frames = [(frame.time, frame.to_ndarray(format="rgb24")) for frame in file.decode(video=0)]
    assert [time for time, _ in frames] == pytest.approx([0, 0.1, 0.2, 0.3, 0.4], abs=1e-3)
    scene = render_sequence(20_000, 5, SIZE)[4]
    assert np.abs(frames[4][1].astype(int) - scene.image_HW3).mean() < 8


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--sequences", "0"], "from 1 to 10000"),
        (["--sequences", "1", "--rate", "inf"], "a rate above 0"),
        (["--sequences", "1", "--train", "3"], "for single scenes"),
        (["--frames", "3"], "give --sequences"),
        (["--sequences", "1", "--rate", "0"], "a rate above 0"),
    ],
)
def test_wrong_options_are_one_line(tmp_path, words, said, capsys):
    with pytest.raises(SystemExit) as end:
        main(["render", str(tmp_path / "S"), *words])
    text = capsys.readouterr().err
    assert end.value.code == 2 and said in text and len(text.strip().splitlines()) == 1
    assert not (tmp_path / "S").exists()


def test_a_folder_that_is_not_empty_is_kept(tmp_path):
    (tmp_path / "a.txt").write_text("mine")
    with pytest.raises(PartwiseError, match="not empty"):
        write_sequences(tmp_path, [render_sequence(2, 1, SIZE)])
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


def test_another_seed_gives_other_sequences(tmp_path):
    shown = {}
    for seed in (0, 1):
        root = tmp_path / str(seed)
        main(["render", str(root), "--sequences", "2", "--frames", "1", "--size", "64x32", "--seed", str(seed)])
        shown[seed] = {path.read_bytes() for path in root.glob("street_??????/*.png")}
    assert len(shown[0]) == len(shown[1]) == 2 and not shown[0] & shown[1]
