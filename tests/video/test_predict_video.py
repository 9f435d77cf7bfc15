"""`predict_video` and the tracker, on tiny videos that the tests write."""

from __future__ import annotations

import json
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

av = pytest.importorskip("av", reason="needs the extra `video`")
pytest.importorskip("trackers", reason="needs the extra `video`")

from PIL import Image  # noqa: E402
from pycocotools import mask as coco_mask  # noqa: E402
from tests.video.clips import CAR, PERSON, SIZE, Finder, squares, write_clip  # noqa: E402

from partwise.errors import PartwiseError  # noqa: E402
from partwise.video.following import follow  # noqa: E402
from partwise.video.frames import Span, open_video  # noqa: E402
from partwise.video.predict import VideoForm, predict_video  # noqa: E402
from partwise.video.tracker import TrackSettings  # noqa: E402
from streeteval.labels import CITYSCAPES  # noqa: E402


def lines_of(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def times_of(path: Path) -> list[float]:
    with av.open(str(path)) as file:
        return [frame.time for frame in file.decode(video=0)]


def test_each_frame_has_a_line_and_a_picture(tmp_path):
    clip = write_clip(tmp_path / "street.mp4")
    done = predict_video(Finder(), clip, tmp_path / "out", VideoForm(), CITYSCAPES)
    lines = lines_of(tmp_path / "out/street.jsonl")
    assert done.frames == 12 and done.faults == []
    assert [line["frame"] for line in lines] == list(range(12))
    assert times_of(tmp_path / "out/street.mp4") == pytest.approx([number / 10 for number in range(12)])
    last = {one["label"]: one for one in lines[-1]["instances"]}
    assert set(last) == {"car", "person"} and last["car"]["track"] != last["person"]["track"]
    mask_HW = coco_mask.decode(last["car"]["segmentation"])
    x, y, width, height = last["car"]["bbox"]
    assert mask_HW.shape == SIZE and mask_HW.sum() == mask_HW[y : y + height, x : x + width].sum() > 200


def test_a_track_keeps_its_number_while_its_object_is_covered(tmp_path):
    clip = write_clip(tmp_path / "street.mp4", 20, hidden=range(8, 12))
    results = list(follow(Finder(), clip))
    before = {int(result.tracks[result.labels == CAR][0]) for result in results[2:8]}
    after = {int(result.tracks[result.labels == CAR][0]) for result in results[12:]}
    assert len(before) == 1 and before == after
    assert all(not (result.labels == CAR).any() for result in results[8:12])


def test_a_person_never_continues_the_track_of_a_car():
    from partwise.video.tracker import NO_TRACK, Tracker
    from streeteval.instances import Instances

    mask_HW = np.zeros((1, *SIZE), bool)
    mask_HW[0, 10:30, 10:40] = True
    tracker = Tracker(10, CITYSCAPES)
    cars = [tracker.update(Instances.from_masks([CAR], [0.5], mask_HW))[0] for _ in range(3)]
    people = [tracker.update(Instances.from_masks([PERSON], [0.5], mask_HW))[0] for _ in range(3)]
    assert cars[1:] == [0, 0] and people[0] == NO_TRACK and people[-1] not in (0, NO_TRACK)


def test_masks_tell_apart_what_boxes_do_not():
    """Two triangles have one box; from one frame to the next their order in the list changes."""
    from partwise.video.tracker import Tracker
    from streeteval.instances import Instances

    y, x = np.mgrid[:40, :40]
    upper, lower = np.zeros(SIZE, bool), np.zeros(SIZE, bool)
    upper[10:50, 20:60], lower[10:50, 20:60] = x >= y, x <= y
    tracker = Tracker(10, CITYSCAPES)
    scores = [0.5, 0.4]
    found = [tracker.update(Instances.from_masks([CAR, CAR], scores, np.stack([upper, lower]))) for _ in range(3)][-1]
    swapped = tracker.update(Instances.from_masks([CAR, CAR], scores, np.stack([lower, upper])))
    assert found[0] != found[1] and swapped.tolist() == found[::-1].tolist()


def test_scores_of_products_begin_tracks_and_the_default_thresholds_would_not(tmp_path):
    clip = write_clip(tmp_path / "street.mp4", 6)
    usual = TrackSettings(low=0.1, high=0.6, start=0.7)
    assert sum(len(result) for result in follow(Finder(score=0.3), clip)) >= 8
    assert sum(len(result) for result in follow(Finder(score=0.3), clip, settings=usual)) == 0


@pytest.mark.parametrize(
    ("argument", "said"), [({"min_score": 0.5}, "min_score 0.5: the tr"), ({"name": "x"}, "name 'x'")]
)
def test_what_a_tracked_frame_cannot_take_is_said_before_the_first_frame(tmp_path, argument, said):
    clip = write_clip(tmp_path / "street.mp4", 3)
    with pytest.raises(PartwiseError) as error:
        follow(Finder(), clip, **argument)
    assert said in str(error.value) and "leave it out" in str(error.value) and "\n" not in str(error.value)


def test_a_varying_rate_and_a_span_keep_their_times(tmp_path):
    times = [0, 0.1, 0.15, 0.4, 0.5, 1.0, 1.3, 1.35]
    clip = write_clip(tmp_path / "street.mp4", len(times), times=times)
    predict_video(Finder(), clip, tmp_path / "all", VideoForm(tracking=None), CITYSCAPES)
    assert times_of(tmp_path / "all/street.mp4") == pytest.approx(times, abs=1e-3)
    predict_video(Finder(), clip, tmp_path / "part", VideoForm(tracking=None), CITYSCAPES, span=Span(2, 0.15, 1.31))
    seconds = [line["seconds"] for line in lines_of(tmp_path / "part/street.jsonl")]
    assert seconds == pytest.approx([0.15, 0.5, 1.3], abs=1e-3)  # frames 2, 4, 6
    assert times_of(tmp_path / "part/street.mp4") == pytest.approx([0, 0.35, 1.15], abs=1e-3)


def test_sound_is_kept(tmp_path):
    clip = write_clip(tmp_path / "street.mp4", sound=True)
    predict_video(Finder(), clip, tmp_path / "out", VideoForm(tracking=None), CITYSCAPES)
    with av.open(str(tmp_path / "out/street.mp4")) as file:
        sounds = [float(packet.pts * packet.time_base) for packet in file.demux(audio=0) if packet.pts is not None]
    assert len(sounds) >= 7 and min(sounds) <= 0.13


def sound_of(path: Path) -> list[float]:
    """Times of the packets of sound, in seconds since the first frame."""
    first = times_of(path)[0]
    with av.open(str(path)) as file:
        packets = [packet for packet in file.demux(audio=0) if packet.pts is not None]
        return [float(packet.pts * packet.time_base) - first for packet in packets]


@pytest.mark.parametrize("begin", [0.0, 0.35])
@pytest.mark.parametrize(
    ("name", "first_s", "sound_s"),
    [("a.mp4", 0, 0), ("a.ts", 0, 0), ("a.mts", 7, 7.25), ("a.mkv", 5, 5), ("late.mp4", 4, 4.3), ("early.mkv", 2, 1.5)],
)
def test_sound_stays_with_the_picture_whenever_the_time_stamps_begin(tmp_path, name, first_s, sound_s, begin):
    times = [first_s + number / 10 for number in range(20)]
    clip = write_clip(tmp_path / name, 20, times=times, sound=float(sound_s))
    done = predict_video(Finder(), clip, tmp_path / "out", VideoForm(tracking=None), CITYSCAPES, span=Span(1, begin))
    shown_s = lines_of(done.files[1])[0]["seconds"]
    expected = [time - shown_s for time in sound_of(clip) if time >= begin]
    written = sound_of(done.files[0])
    assert len(written) >= 8
    assert written == pytest.approx(expected[: len(written)], abs=2e-3)


@pytest.mark.parametrize("aspect", [Fraction(1), Fraction(64, 45), Fraction(8, 9)])
@pytest.mark.parametrize("turns", [0, 1])
def test_pixels_keep_their_shape(tmp_path, aspect, turns, monkeypatch):
    from partwise.video import frames as reading

    monkeypatch.setattr(reading, "_quarters", lambda frame: turns)
    clip = write_clip(tmp_path / "street.mp4", 3, pixel_aspect=aspect)
    done = predict_video(Finder(), clip, tmp_path / "out", VideoForm(tracking=None), CITYSCAPES)
    with av.open(str(done.files[0])) as file:
        shown = file.streams.video[0]
        assert (shown.height, shown.width) == (SIZE[::-1] if turns else SIZE)
        assert (shown.sample_aspect_ratio or 1) == (1 / aspect if turns else aspect)


def test_ctrl_c_leaves_a_video_and_whole_lines(tmp_path):
    clip = write_clip(tmp_path / "street.mp4")
    with pytest.raises(KeyboardInterrupt):
        predict_video(Finder(stop=5), clip, tmp_path / "out", VideoForm(), CITYSCAPES)
    assert len(times_of(tmp_path / "out/street.mp4")) == len(lines_of(tmp_path / "out/street.jsonl")) == 5
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["street.jsonl", "street.mp4"]


def test_a_truncated_video_gives_what_is_there_and_one_line(tmp_path):
    whole = write_clip(tmp_path / "whole.ts", 12).read_bytes()
    clip = tmp_path / "street.ts"
    clip.write_bytes(whole[: len(whole) // 2] + b"\0" * 400)
    done = predict_video(Finder(), clip, tmp_path / "out", VideoForm(), CITYSCAPES)
    assert 2 <= done.frames < 12
    assert len(lines_of(tmp_path / "out/street.jsonl")) == len(times_of(tmp_path / "out/street.mp4")) == done.frames


@pytest.mark.parametrize("name", ["street.mkv", "street.mp4"])
def test_a_file_that_was_not_copied_whole_is_said_to_be_incomplete(tmp_path, name):
    times = [0.4 * number for number in range(20)]
    clip = write_clip(tmp_path / name, 20, times=times)
    assert predict_video(Finder(), clip, tmp_path / "whole", VideoForm(), CITYSCAPES).faults == []
    data = bytearray(clip.read_bytes())
    if name.endswith("mkv"):
        del data[len(data) // 2 :]
    else:  # the frames lie before the index; where they are missing, zeros stand
        media = data.find(b"mdat") + 4
        index = data.find(b"moov")
        data[(media + index) // 2 : index - 4] = bytes(index - 4 - (media + index) // 2)
    clip.write_bytes(data)
    done = predict_video(Finder(), clip, tmp_path / "cut", VideoForm(), CITYSCAPES)
    assert 0 < done.frames < 20 and len(done.faults) == 1 and name in str(done.faults[0])


def test_mots_lines_do_not_overlap_and_name_class_and_track(tmp_path):
    clip = write_clip(tmp_path / "street.mp4", 6)
    predict_video(Finder(), clip, tmp_path / "out", VideoForm("mots"), CITYSCAPES)
    rows = [line.split() for line in (tmp_path / "out/street.txt").read_text().splitlines()]
    assert {row[2] for row in rows} == {"1", "2"}
    assert all(int(row[1]) // 1000 == int(row[2]) and row[3:5] == ["64", "96"] for row in rows)
    for place in {row[0] for row in rows}:
        masks = [coco_mask.decode({"size": list(SIZE), "counts": row[5]}) for row in rows if row[0] == place]
        assert np.sum(masks, axis=0).max() == 1


def test_a_folder_is_a_video_in_the_order_of_its_names(tmp_path):
    folder = tmp_path / "frames"
    folder.mkdir()
    for number in (2, 0, 1):
        Image.fromarray(squares(number)).save(folder / f"{number:03d}.png")
    (folder / "003.png").write_bytes(b"no picture")
    with open_video(folder) as video:
        frames = list(video)
    assert [frame.number for frame in frames] == [0, 1, 2] and "003.png" in video.faults[0]
    assert np.array_equal(frames[2].image_HW3, squares(2))


def test_frames_are_decoded_one_ahead_and_no_further(tmp_path):
    clip = write_clip(tmp_path / "street.mp4")
    taken: list[int] = []
    with open_video(clip) as video:
        source = video._frames
        video._frames = (taken.append(frame.number) or frame for frame in source)  # type: ignore[func-returns-value]
        frames = iter(video)
        next(frames)
        frames.close()
    assert len(taken) <= 3


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda path: None, "no such file"),
        (lambda path: path.write_bytes(b"no video at all"), "cannot be read as a video"),
        (lambda path: path.write_bytes(b""), "cannot be read as a video"),
    ],
)
def test_what_is_no_video_is_said_in_one_line(tmp_path, make, said):
    path = tmp_path / "street.mp4"
    make(path)
    with pytest.raises(PartwiseError, match=said) as error:
        open_video(path)
    assert "\n" not in str(error.value)


def test_results_that_are_there_are_named_and_kept(tmp_path):
    clip = write_clip(tmp_path / "street.mp4", 3)
    out = tmp_path / "out"
    predict_video(Finder(), clip, out, VideoForm(), CITYSCAPES)
    before = (out / "street.jsonl").read_bytes()
    with pytest.raises(PartwiseError, match=r"street\.mp4 and .*street\.jsonl: there already"):
        predict_video(Finder(), clip, out, VideoForm(), CITYSCAPES)
    assert (out / "street.jsonl").read_bytes() == before
    predict_video(Finder(), clip, out, VideoForm(overwrite=True), CITYSCAPES)
    with pytest.raises(PartwiseError, match="would replace the video"):
        predict_video(Finder(), clip, tmp_path, VideoForm(overwrite=True), CITYSCAPES)


def broken(path: Path) -> None:
    """Make a video that opens, and of which no frame can be decoded."""
    data = bytearray(path.read_bytes())
    media, index = data.find(b"mdat") + 4, data.find(b"moov")
    data[media : index - 4] = bytes(index - 4 - media)
    path.write_bytes(data)


def raising(error: BaseException):
    def find(*_, **__):
        raise error

    return find


@pytest.mark.parametrize("form", [VideoForm(overwrite=True), VideoForm("mots", overwrite=True)])
@pytest.mark.parametrize("fault", ["frames", "span", "memory", "model", "ctrl-c"])
def test_overwriting_with_nothing_keeps_the_earlier_results(tmp_path, form, fault):
    clip, out = write_clip(tmp_path / "street.mp4", 4), tmp_path / "out"
    predict_video(Finder(), clip, out, form, CITYSCAPES)
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    errors = {"memory": MemoryError(), "model": ValueError("x"), "ctrl-c": KeyboardInterrupt()}
    find = raising(errors[fault]) if fault in errors else Finder()
    span = Span(1, 0.001, 0.002) if fault == "span" else Span()
    if fault == "frames":
        broken(clip)
    with pytest.raises((PartwiseError, ValueError, KeyboardInterrupt)):
        predict_video(find, clip, out, form, CITYSCAPES, span=span)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before


def test_a_full_disk_keeps_the_earlier_results(tmp_path, disk_full_after):
    clip, out = write_clip(tmp_path / "street.mp4"), tmp_path / "out"
    predict_video(Finder(), clip, out, VideoForm(tracking=None), CITYSCAPES)
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    for size in (200, 2000):
        with disk_full_after(size), pytest.raises(PartwiseError):
            predict_video(Finder(), clip, out, VideoForm(overwrite=True), CITYSCAPES)
        assert {path.name: path.read_bytes() for path in out.iterdir()} == before


def test_overwriting_replaces_both_files_and_leaves_no_other(tmp_path):
    clip, out = write_clip(tmp_path / "street.mp4"), tmp_path / "out"
    predict_video(Finder(), clip, out, VideoForm(), CITYSCAPES)
    done = predict_video(Finder(), clip, out, VideoForm(overwrite=True), CITYSCAPES, span=Span(1, 0.5))
    assert done.frames == len(lines_of(out / "street.jsonl")) == len(times_of(out / "street.mp4")) == 7
    with pytest.raises(KeyboardInterrupt):
        predict_video(Finder(stop=2), clip, out, VideoForm(overwrite=True), CITYSCAPES)
    assert len(lines_of(out / "street.jsonl")) == len(times_of(out / "street.mp4")) == 2
    assert sorted(path.name for path in out.iterdir()) == ["street.jsonl", "street.mp4"]


@pytest.fixture
def command(monkeypatch, capsys):
    """Runs `partwise predict` with `Finder`; gives (exit code, what was printed, the complaints)."""
    from partwise.cli.app import main

    monkeypatch.setattr("partwise.segmenter.load", lambda *_, **__: _Loaded())

    def run(*words) -> tuple[int, str, str]:
        code = 0
        try:
            main(["predict", *map(str, words)])
        except SystemExit as end:
            code = end.code
        return code, *capsys.readouterr()

    return run


def test_two_videos_of_one_name_have_two_results(tmp_path, command):
    clips = [tmp_path / place for place in ("a/street.mp4", "b/Street.mkv", "b/street_2.mp4", "b/yard.mp4")]
    for number, clip in enumerate(clips, 2):
        clip.parent.mkdir(exist_ok=True)
        write_clip(clip, number)
    for words in ([], ["--overwrite"]):
        twice = [*clips, tmp_path / "a" / ".." / "a" / "street.mp4"]
        code, said, complaints = command(*twice, "--out", tmp_path / "out", *words)
        assert code == 0 and complaints == ""
        frames = {path.stem: len(lines_of(path)) for path in (tmp_path / "out").glob("*.jsonl")}
        assert frames == {"street": 2, "Street_3": 3, "street_2": 4, "yard": 5}
        assert f"{clips[1]}: another video has this name, its results are called Street_3" in said


@pytest.mark.parametrize("video", ["street.mp4", "rtsp://127.0.0.1/street", "7"])
@pytest.mark.parametrize("form", ["files", "parquet"])
def test_a_video_among_photos_is_a_fault_that_says_what_to_do(tmp_path, predict, video, form, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_clip(tmp_path / "street.mp4", 3)
    Image.fromarray(squares(0)).save("photo.png")
    code, said, complaints = predict(video, "photo.png", "--out", "out", "--format", form)
    assert code == 2 and len(complaints) == 1
    assert f"{video}: not an image: a video: predict videos by themselves" in complaints[0]
    assert form == "parquet" or "for 1 of 2 images" in said


def test_no_result_replaces_a_video_that_was_given(tmp_path, command):
    clips = [tmp_path / "elsewhere/street.mkv", tmp_path / "street.mp4"]
    for clip in clips:
        clip.parent.mkdir(exist_ok=True)
        write_clip(clip, 3)
    before = clips[1].read_bytes()
    code, _, complaints = command(*clips, "--out", tmp_path, "--overwrite")
    assert code == 2 and f"{clips[1]}: the result would replace the video" in complaints
    assert clips[1].read_bytes() == before and (tmp_path / "street_2.jsonl").exists()


@pytest.mark.parametrize("as_folder", [False, True])
def test_a_span_between_two_frames_is_named(tmp_path, as_folder):
    source = tmp_path / "frames" if as_folder else write_clip(tmp_path / "street.mp4", 3)
    if as_folder:
        source.mkdir()
        for n in range(3):
            Image.new("RGB", (64, 32), (9, 90, 200)).save(source / f"{n}.png")
    with pytest.raises(PartwiseError, match=r"no frame from 0\.001 s to 0\.002 s: give a longer span"):
        predict_video(Finder(), source, tmp_path / "out", VideoForm(), CITYSCAPES, span=Span(1, 0.001, 0.002))
    assert not list((tmp_path / "out").glob("*"))


def test_the_address_of_a_stream_is_not_to_be_copied():
    with pytest.raises(PartwiseError, match="check the address"):
        open_video("rtsp://127.0.0.1:1/street")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--from", "0:10", "--to", "0:05"], "is not after the start"),
        (["--from", "99"], "lies after its end"),
        (["--from", "soon"], "give seconds"),
        (["--every", "0"], "from 1 on"),
        (["--format", "coco"], "--format coco: for photos, and not for a video: leave it out"),
        (["--format", "parquet", "--resume"], "--format parquet, --resume: for photos"),
        (["--shard", "1/2"], "partwise: --shard: for photos, and not for a video: leave it out"),
        (["--resume"], "partwise: --resume: for photos"),
        (["--polygons"], "partwise: --polygons: for photos"),
        (["--classes", "car"], "partwise: --classes: for photos"),
        (["--batch", "2"], "partwise: --batch: for photos"),
        (["--format", "mots"], "tracks"),
        (["--track", "--min-score", "0.5"], "thresholds of its own"),
    ],
)
def test_wrong_options_end_in_one_line(tmp_path, words, said, capsys, monkeypatch):
    from partwise.cli.app import main

    clip = write_clip(tmp_path / "street.mp4", 3)
    monkeypatch.setattr("partwise.segmenter.load", lambda *_, **__: _Loaded())
    with pytest.raises(SystemExit) as end:
        main(["predict", str(clip), "--out", str(tmp_path / "out"), *words])
    text = capsys.readouterr().err
    assert end.value.code == 2 and said in text and len(text.strip().splitlines()) == 1
    assert not (tmp_path / "out").exists()


class _Loaded(Finder):
    device = "cpu"

    class method:  # noqa: N801
        label_set = CITYSCAPES


@pytest.mark.parametrize(("degrees", "turns"), [(0, 0), (90, 1), (-90, 3), (180, 2), (-180, 2)])
def test_a_frame_is_turned_as_players_turn_it(degrees, turns):
    from types import SimpleNamespace

    from partwise.video.frames import _upright

    picture = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)
    frame = SimpleNamespace(rotation=degrees, to_ndarray=lambda format: picture)
    assert np.array_equal(_upright(frame), np.rot90(picture, turns))


def test_a_missing_library_is_named(tmp_path):
    clip = write_clip(tmp_path / "street.mp4", 3)
    code = (
        "import sys; sys.modules['av'] = None\n"
        "from partwise.cli.app import main\n"
        f"main(['predict', {str(clip)!r}, '--out', {str(tmp_path / 'out')!r}])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert run.returncode == 2 and run.stderr.strip().endswith("pip install 'partwise[video]'"), run.stderr


def short_of_memory(find, width: int):
    """A model for which images of a width take more memory than there is."""

    def short(image_HW3, **arguments):
        if image_HW3.shape[1] == width:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes")
        return find(image_HW3, **arguments)

    return short


def test_frames_too_large_for_the_memory_end_their_video_and_the_next_one_is_done(tmp_path, monkeypatch, capsys):
    from partwise.cli.app import main

    folder = tmp_path / "big"
    folder.mkdir()
    Image.fromarray(squares(0)).save(folder / "0.png")
    Image.fromarray(squares(1)).resize((200, 100)).save(folder / "1.png")
    clip = write_clip(tmp_path / "street.mp4", 3)
    model = short_of_memory(Finder(), 200)
    model.device, model.method = "cpu", _Loaded.method
    monkeypatch.setattr("partwise.segmenter.load", lambda *_, **__: model)
    with pytest.raises(SystemExit) as end:
        main(["predict", str(folder), str(clip), "--track", "--out", str(tmp_path / "out")])
    said = capsys.readouterr().err
    assert end.value.code == 2
    assert f"{folder}: there is not enough memory for frames of this size: give a smaller --scale" in said
    assert len(lines_of(tmp_path / "out/street.jsonl")) == 3
    assert len(lines_of(tmp_path / "out/big.jsonl")) == 1  # what was done before stays


def test_a_picture_of_a_folder_too_large_to_be_read_is_a_fault_and_the_others_are_done(tmp_path, monkeypatch):
    from partwise.video import frames as reading

    for number in range(3):
        Image.fromarray(squares(number)).save(tmp_path / f"{number}.png")
    whole = reading.read_image

    def short(path):
        if path.name == "1.png":
            raise MemoryError
        return whole(path)

    monkeypatch.setattr(reading, "read_image", short)
    with open_video(tmp_path) as video:
        assert [frame.number for frame in video] == [0, 2]
    assert "1.png: there is not enough memory" in video.faults[0]


def test_a_full_disk_is_one_line_about_the_video_that_was_asked_for(tmp_path, disk_full_after):
    """A disk that is full while frames are encoded, and one that is full when the last ones are written."""
    clip = write_clip(tmp_path / "street.mp4")
    for size in (200, 2000):
        out = tmp_path / f"out{size}"
        with disk_full_after(size), pytest.raises(PartwiseError) as failed:
            predict_video(Finder(), clip, out, VideoForm(), CITYSCAPES)
        said = str(failed.value)
        assert said.startswith(f"cannot write {out}/street.") and "\n" not in said and ".partwise-" not in said
        assert not [path.name for path in out.iterdir() if path.name.startswith(".")]
