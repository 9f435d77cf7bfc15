"""Tiny videos of coloured squares that move, and a model that finds the squares by their colours."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from partwise.result import Result
from streeteval.instances import Instances
from streeteval.labels import CITYSCAPES

SIZE = (64, 96)
RED, BLUE = (230, 20, 20), (20, 20, 230)
CAR, PERSON = 26, 24


def squares(number: int, *, hidden: range = range(0)) -> np.ndarray:
    """A red square that moves right, and a blue one that moves left, 2 px a frame; red is covered in some frames."""
    image_HW3 = np.full((*SIZE, 3), 128, np.uint8)
    image_HW3[36:52, 72 - 2 * number : 88 - 2 * number] = BLUE
    if number not in hidden:
        image_HW3[10:26, 4 + 2 * number : 20 + 2 * number] = RED
    return image_HW3


def write_clip(
    path: Path,
    frames: int = 12,
    *,
    times: list[float] | None = None,
    sound: bool | float = False,
    pixel_aspect: Fraction = Fraction(1),
    options: dict[str, str] | None = None,
    **how,
) -> Path:
    """Write a video of `squares`, at 10 frames a second or at given times in seconds, with options of x264.

    The sound has the length of 0.1 s a frame, and begins at 0 or at the seconds that are given.
    """
    with av.open(str(path), "w") as file:
        stream = file.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = SIZE[1], SIZE[0], "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        stream.codec_context.sample_aspect_ratio = pixel_aspect
        stream.options = options or {"crf": "10", "g": "4"}
        audio = file.add_stream("aac", rate=8000, layout="mono") if sound is not False else None
        for number in range(frames):
            frame = av.VideoFrame.from_ndarray(squares(number, **how), format="rgb24")
            frame.pts = round(1000 * (times[number] if times else number / 10))
            frame.time_base = Fraction(1, 1000)
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
        if audio is not None:
            samples = av.AudioFrame.from_ndarray(np.zeros((1, 800 * frames), np.float32), format="fltp", layout="mono")
            samples.sample_rate = 8000
            samples.pts, samples.time_base = round(8000 * float(sound is not True and sound)), Fraction(1, 8000)
            file.mux(audio.encode(samples))
            file.mux(audio.encode(None))
    return path


class Finder:
    """Stands for a model: finds the red square as a car and the blue one as a person.

    Args:
        stop: Number of the call at which the user presses Ctrl-C.
    """

    def __init__(self, stop: int | None = None, score: float = 0.3) -> None:
        self.stop, self.score, self.calls = stop, score, 0

    def __call__(self, image_HW3: np.ndarray, *, min_score: float = 0.0, **_: object) -> Result:
        if self.calls == self.stop:
            raise KeyboardInterrupt
        self.calls += 1
        masks, labels = [], []
        for colour, label in ((RED, CAR), (BLUE, PERSON)):
            mask_HW = np.abs(image_HW3.astype(int) - colour).sum(axis=2) < 150
            if mask_HW.sum() > 40:
                masks.append(mask_HW)
                labels.append(label)
        kept = np.full(len(labels), self.score) >= min_score
        shape = image_HW3.shape[:2]
        found = Instances.from_masks(
            np.array(labels, int)[kept],
            np.full(int(kept.sum()), self.score),
            np.array(masks, bool).reshape(-1, *shape)[kept],
        )
        return Result(
            found.labels, found.scores, found.boxes, found.masks, found.size, image_HW3=image_HW3, label_set=CITYSCAPES
        )
