"""Videos: read, followed, written. The videos are tiny, and a stand-in finds the bright squares in them."""

import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from partwise.cli.moving import Moving, seconds
from partwise.errors import PartwiseError
from partwise.instances import Instances
from partwise.result import Result
from partwise.video.follow import follow
from partwise.video.frames import Span, VideoSource, is_moving
from partwise.video.predict import VideoForm, predict_video
from partwise.video.tracker import Tracker

av = pytest.importorskip("av")
SIZE = (48, 96)


def square(i: int) -> np.ndarray:
    image = np.zeros((*SIZE, 3), np.uint8)
    image[10:30, 5 + 2 * i : 25 + 2 * i] = 255
    return image


def write_video(path: Path, frames: int = 12, times=None, sound: bool = False, picture: bool = True) -> Path:
    with av.open(str(path), "w") as out:
        if picture:
            stream = out.add_stream("libx264", rate=10)
            stream.height, stream.width = SIZE
            stream.pix_fmt = "yuv420p"
            stream.options = {"g": "4", "bf": "0"}
            stream.codec_context.time_base = Fraction(1, 1000)
        voice = out.add_stream("aac", rate=44100) if sound else None
        for i in range(frames if picture else 0):
            frame = av.VideoFrame.from_ndarray(square(i), format="rgb24")
            frame.pts, frame.time_base = (times or range(0, 100 * frames, 100))[i], Fraction(1, 1000)
            for packet in stream.encode(frame):
                out.mux(packet)
        if picture:
            for packet in stream.encode():
                out.mux(packet)
        if voice is not None:
            for i in range(frames * 4):
                quiet = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
                quiet.sample_rate, quiet.pts = 44100, i * 1024
                for packet in voice.encode(quiet):
                    out.mux(packet)
            for packet in voice.encode():
                out.mux(packet)
    return path


def find_square(image, **_) -> Result:
    found = Instances.from_masks([26], [0.4], [image[..., 0] > 128], image.shape[:2])
    return Result(found.labels, found.scores, found.boxes, found.masks, found.size, image_HW3=image)


def times_of(path: Path) -> list[float]:
    with av.open(str(path)) as video:
        return [round(frame.time, 3) for frame in video.decode(video=0)]


def test_a_video_is_followed_and_written_with_its_times_and_sound(tmp_path):
    times = [0, 100, 250, 300, 350, 600, 700, 800, 900, 1000, 1100, 1200]
    source = VideoSource(write_video(tmp_path / "street.mp4", times=times, sound=True))
    made = predict_video(find_square, source, tmp_path / "out", VideoForm(track=True))
    assert (made.frames, made.instances, made.remarks) == (12, 12, [])
    assert times_of(tmp_path / "out/street.mp4") == [time / 1000 for time in times]
    with av.open(str(tmp_path / "out/street.mp4")) as video:
        assert video.streams.video[0].codec_context.name == "h264"
        assert sum(packet.size for packet in video.demux(video.streams.audio[0])) > 0
    rows = [json.loads(line) for line in (tmp_path / "out/street.jsonl").read_text().splitlines()]
    assert [row["frame"] for row in rows] == list(range(12))
    assert [row["time"] for row in rows] == [time / 1000 for time in times]
    assert {row["track"] for row in rows[1:]} == {rows[1]["track"]} != {None}
    assert rows[0]["label"] == "car" and set(rows[0]["segmentation"]) == {"size", "counts"}


def test_a_span_and_every_nth_frame(tmp_path):
    video = VideoSource(write_video(tmp_path / "street.mp4"), Span(0.3, 1.0, 2))
    assert [frame.index for frame in video] == [4, 6, 8]


def test_a_folder_of_frames_is_read_in_the_order_of_names(tmp_path):
    from PIL import Image

    for i in (2, 0, 1):
        Image.fromarray(square(i)).save(tmp_path / f"{i}.png")
    assert [result.boxes[0, 0] for result in follow(find_square, VideoSource(tmp_path))] == [5, 7, 9]


def test_an_interruption_leaves_a_playable_video_and_whole_lines(tmp_path):
    calls = []

    def interrupted(image, **_):
        calls.append(1)
        if len(calls) == 6:
            raise KeyboardInterrupt
        return find_square(image)

    with pytest.raises(KeyboardInterrupt):
        predict_video(interrupted, VideoSource(write_video(tmp_path / "street.mp4")), tmp_path / "out", VideoForm())
    assert len(times_of(tmp_path / "out/street.mp4")) == 5
    assert [json.loads(line)["frame"] for line in (tmp_path / "out/street.jsonl").open()] == list(range(5))


def test_a_truncated_stream_gives_what_was_read_and_one_line(tmp_path):
    whole = write_video(tmp_path / "whole.mkv", frames=60).read_bytes()
    (tmp_path / "cut.mkv").write_bytes(whole[: len(whole) // 2])
    made = predict_video(find_square, VideoSource(tmp_path / "cut.mkv"), tmp_path / "out", VideoForm())
    assert 0 < made.frames < 60 and len(made.remarks) == 1
    assert len(times_of(tmp_path / "out/cut.mp4")) == made.frames


def test_mots_form(tmp_path):
    source = VideoSource(write_video(tmp_path / "street.mp4"))
    made = predict_video(find_square, source, tmp_path / "out", VideoForm(track=True, form="mots"))
    rows = [line.split(" ") for line in (tmp_path / "out/street.txt").read_text().splitlines()]
    assert [int(row[0]) for row in rows] == list(range(1, 12)) and made.left_out == 1
    assert {(int(row[1]) // 1000, *row[2:5]) for row in rows} == {(1, "1", "48", "96")}


def test_a_rerun_says_what_it_would_replace(tmp_path):
    path = write_video(tmp_path / "street.mp4")
    predict_video(find_square, VideoSource(path), tmp_path / "out", VideoForm())
    with pytest.raises(PartwiseError, match=r"would replace street.mp4, street.jsonl"):
        predict_video(find_square, VideoSource(path), tmp_path / "out", VideoForm())
    predict_video(find_square, VideoSource(path), tmp_path / "out", VideoForm(overwrite=True))
    with pytest.raises(PartwiseError, match="the video itself"):
        predict_video(find_square, VideoSource(path), tmp_path, VideoForm(overwrite=True))
    assert len(times_of(path)) == 12


@pytest.mark.parametrize(
    ("make", "span", "message"),
    [
        (lambda path: write_video(path, sound=True, picture=False), (0, None), "no video in it"),
        (lambda path: path.write_bytes(b"no video" * 99), (0, None), "cannot be opened"),
        (write_video, (5, None), "behind the end"),
        (lambda path: None, (0, None), "no such file"),
    ],
)
def test_what_cannot_be_read_is_one_line(tmp_path, make, span, message):
    make(tmp_path / "street.mp4")
    with pytest.raises(PartwiseError, match=message) as raised:
        VideoSource(tmp_path / "street.mp4", Span(*span))
    assert "\n" not in str(raised.value)


def test_wrong_times_and_inputs():
    with pytest.raises(PartwiseError, match="not after the start"):
        Span(10, 5)
    with pytest.raises(PartwiseError, match="minutes:seconds"):
        seconds("--from", "ten")
    with pytest.raises(PartwiseError, match="one video at a time"):
        Moving().is_wanted(["a.mp4", "b.mp4"])
    with pytest.raises(PartwiseError, match="are for videos"):
        Moving(every=2).is_wanted(["photos"])
    with pytest.raises(PartwiseError, match="consists of tracks"):
        VideoForm(form="mots")


def test_what_is_a_video(tmp_path):
    assert is_moving("rtsp://host/stream") and is_moving("0") and is_moving("street.mp4")
    assert not is_moving(tmp_path) and not is_moving("street.png")


def frame_of(*columns) -> Instances:
    masks = []
    for x in columns:
        mask = np.zeros((60, 200), bool)
        mask[20:40, x : x + 20] = True
        masks.append(mask)
    return Instances.from_masks([26] * len(masks), [0.35] * len(masks), masks, (60, 200))


def test_a_track_keeps_its_number_through_a_short_occlusion():
    tracker = Tracker(30)
    before = [tracker.update(frame_of(10 + 2 * i)) for i in range(8)]
    for _ in range(6):
        tracker.update(frame_of())
    after = tracker.update(frame_of(10 + 2 * 14))
    assert before[-1][0] >= 0 and after[0] == before[-1][0]


def test_masks_decide_where_boxes_are_equal():
    y, x = np.mgrid[:60, :60]
    upper, lower = (y < x) & (y > 5) & (x < 55), (y > x) & (x > 5) & (y < 55)
    upper[5, 5], upper[54, 54], lower[5, 5], lower[54, 54] = True, True, True, True
    tracker, seen = Tracker(30), []
    for i in range(6):
        masks = [upper, lower] if i % 2 else [lower, upper]
        tracks = tracker.update(Instances.from_masks([24, 24], [0.4, 0.4], masks, (60, 60)))
        seen.append(tracks.tolist()[:: 1 if i % 2 else -1])
    assert seen[1] == seen[2] == seen[3] == seen[4] == seen[5] and len(set(seen[1])) == 2


def test_a_reader_that_stops_early_leaves_no_thread(tmp_path):
    import threading

    before = threading.active_count()
    frames = iter(VideoSource(write_video(tmp_path / "street.mp4")))
    next(frames)
    frames.close()
    assert threading.active_count() == before
