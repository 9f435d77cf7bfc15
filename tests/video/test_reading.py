"""Where the frames of a video come from: a span of a file, an address, a camera."""

from __future__ import annotations

import functools
import http.server
import re
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

av = pytest.importorskip("av", reason="needs the extra `video`")
pytest.importorskip("trackers", reason="needs the extra `video`")

from tests.video.clips import Finder, squares, write_clip  # noqa: E402

from partwise.video import frames as reading  # noqa: E402
from partwise.video.frames import Frame, Span, open_video  # noqa: E402
from partwise.video.predict import VideoForm, predict_video  # noqa: E402
from streeteval.labels import CITYSCAPES  # noqa: E402

FRAMES = 40


def read(path: Path | str, span: Span) -> list[Frame]:
    with open_video(path, span) as video:
        taken = list(video)
    assert video.faults == []
    return taken


def same(a: list[Frame], b: list[Frame]) -> bool:
    return len(a) == len(b) and all(
        (x.number, x.seconds) == (y.number, y.seconds) and np.array_equal(x.image_HW3, y.image_HW3)
        for x, y in zip(a, b, strict=True)
    )


CLIPS = {
    "even.mp4": {},
    "reordered.mp4": {"options": {"crf": "10", "g": "8", "bf": "3"}},
    "open.mp4": {"options": {"crf": "10", "x264-params": "keyint=8:min-keyint=8:bframes=3:open-gop=1"}},
    "uneven.mkv": {"times": [0.1 * number + 0.03 * (number % 3) for number in range(FRAMES)]},
    "late.mp4": {"times": [5 + 0.1 * number for number in range(FRAMES)]},
    "sound.mp4": {"sound": True},
    "one_key.mkv": {"options": {"crf": "10", "g": "999"}},
}


@pytest.mark.parametrize("name", CLIPS)
def test_a_span_has_the_frames_that_decoding_from_the_begin_gives(tmp_path, name, monkeypatch):
    clip = write_clip(tmp_path / name, FRAMES, **CLIPS[name])
    spans = [Span(1, 0.05), Span(1, 1.6, 2.2), Span(3, 2.05), Span(1, 0.8, 0.9), Span(2, 3.7)]
    sought = [read(clip, span) for span in spans]
    monkeypatch.setattr(reading, "seek", lambda *_: None)
    assert all(frames and same(frames, read(clip, span)) for frames, span in zip(sought, spans, strict=True))


def test_what_lies_before_the_begin_is_not_decoded(tmp_path, monkeypatch):
    clip = write_clip(tmp_path / "street.mp4", FRAMES)
    decoded: list[float] = []
    whole = reading._decoded

    def watched(*arguments):
        for frame in whole(*arguments):
            decoded.append(frame.time)
            yield frame

    monkeypatch.setattr(reading, "_decoded", watched)
    frames = read(clip, Span(1, 3.05))
    assert [frame.number for frame in frames] == list(range(31, FRAMES))
    assert min(decoded) >= 2.75  # a key frame is at most 4 frames before


@pytest.mark.parametrize(
    "span", [Span(3, 0.4), Span(3, 0.04), Span(2, 0.12, 0.4), Span(1, 0.28, 0.32), Span(5, 0.2, 1.4)]
)
def test_a_file_and_a_folder_take_the_same_frames(tmp_path, span):
    """Both at 25 frames a second. The times of the frames are not exact in binary."""
    clips = [
        write_clip(tmp_path / f"street.{end}", FRAMES, times=[n / 25 for n in range(FRAMES)]) for end in ("mp4", "ts")
    ]
    for number in range(FRAMES):
        Image.new("RGB", (8, 8), (9, 90, 200)).save(tmp_path / f"{number:02}.png")
    inside = [n for n in range(FRAMES) if n >= round(25 * span.begin) and n < round(25 * (span.end or 99))]
    for source in (*clips, tmp_path):
        assert [frame.number for frame in read(source, span)] == inside[:: span.every], source


def test_a_name_with_a_colon_is_no_protocol(tmp_path, monkeypatch):
    write_clip(tmp_path / "street.mp4", 8, sound=True).rename(tmp_path / "12:30.mp4")
    monkeypatch.chdir(tmp_path)
    assert [frame.number for frame in read("12:30.mp4", Span(1, 0.45))] == [5, 6, 7]
    done = predict_video(Finder(), "12:30.mp4", Path("out"), VideoForm(tracking=None), CITYSCAPES)
    assert (done.frames, done.files[0].name) == (8, "12:30.mp4")
    with av.open(str(done.files[0].absolute())) as file:
        assert len(file.streams.audio) == 1


def test_a_file_without_an_index_is_decoded_from_its_begin(tmp_path):
    clip = write_clip(tmp_path / "street.ts", FRAMES)
    assert [frame.number for frame in read(clip, Span(2, 2.05, 2.65))] == [21, 23, 25]


def test_a_turned_video_is_upright(tmp_path):
    """The display matrix in the track header of an MP4 turns it by a quarter."""
    clip = write_clip(tmp_path / "street.mp4", 3, options={"crf": "4"})
    plain = read(clip, Span())[0].image_HW3
    data = bytearray(clip.read_bytes())
    at = data.find(b"tkhd") + 4 + 40
    quarter = [0, 1 << 16, 0, -(1 << 16) & 0xFFFFFFFF, 0, 0, 96 << 16, 0, 1 << 30]
    data[at : at + 36] = b"".join(value.to_bytes(4, "big") for value in quarter)
    clip.write_bytes(data)
    turned = read(clip, Span())[0].image_HW3
    assert turned.shape[:2] == plain.shape[1::-1]
    assert any(np.array_equal(turned, np.rot90(plain, turns)) for turns in (1, 3))
    red = np.argwhere(turned[..., 0].astype(int) - turned[..., 2] > 100).mean(axis=0)
    assert red[1] > turned.shape[1] / 2  # the square at the top left comes to the top right: clockwise, as players do


class _Ranges(http.server.SimpleHTTPRequestHandler):
    """Serves files whole or from a byte on, as the servers of videos do."""

    def do_GET(self) -> None:
        path = Path(self.translate_path(self.path))
        if not path.is_file():
            self.send_error(404)
            return
        data, asked = path.read_bytes(), re.match(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        begin = int(asked[1]) if asked else 0
        self.send_response(206 if asked else 200)
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(len(data) - begin))
        if asked:
            self.send_header("Content-Range", f"bytes {begin}-{len(data) - 1}/{len(data)}")
        self.end_headers()
        self.wfile.write(data[begin:])

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def address(tmp_path) -> Iterator[str]:
    handler = functools.partial(_Ranges, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join(5)


def test_an_address_gives_the_frames_of_the_file(tmp_path, address):
    clip = write_clip(tmp_path / "street.mp4", 12)
    span = Span(2, 0.3, 1.0)
    with open_video(f"{address}/street.mp4?key=1", span) as video:
        assert video.clip.name == "street"
        assert same(list(video), read(clip, span))
    assert np.abs(read(f"{address}/street.mp4", Span())[2].image_HW3.astype(int) - squares(2)).mean() < 12
    done = predict_video(Finder(), f"{address}/street.mp4", tmp_path / "out", VideoForm(), CITYSCAPES)
    assert done.frames == 12 and len(done.tracks) == 2 and done.faults == []
    assert len((tmp_path / "out/street.jsonl").read_text().splitlines()) == len(
        read(tmp_path / "out/street.mp4", Span())
    )


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("{address}/none.mp4", "cannot be read as a video"),
        ("http://127.0.0.1:9/a.mp4", "cannot be read as a video"),
        ("77", "/dev/video77"),
    ],
)
def test_an_address_or_camera_that_is_not_there_is_one_line(tmp_path, address, source, said, capsys, monkeypatch):
    from tests.video.test_predict_video import _Loaded

    from partwise.cli.app import main

    monkeypatch.setattr("partwise.segmenter.load", lambda *_, **__: _Loaded())
    monkeypatch.chdir(tmp_path)
    source = source.format(address=address)
    with pytest.raises(SystemExit) as end:
        main(["predict", source, "--track", "--out", str(tmp_path / "out")])
    text = capsys.readouterr().err
    assert end.value.code == 2 and said in text and source in text and len(text.strip().splitlines()) == 1
