"""Make the README's picture: the bundled model on a rendered street that no training saw.

python docs/pictures/make.py
"""

from pathlib import Path

import numpy as np
from PIL import Image

from partwise import load
from partwise.data.streets import Streets
from partwise.report.overlay import draw_overlay
from partwise.segmenter import SHOWN_SCORE

SEED, SCENE = 77, 17

if __name__ == "__main__":
    scene = Streets(SCENE + 1, (512, 1024), SEED)[SCENE]
    result = load()(scene.image_HW3, min_score=SHOWN_SCORE)
    found = draw_overlay(scene.image_HW3, result.prediction, tint=0.25)
    both = Image.fromarray(np.concatenate([scene.image_HW3, found], axis=1))
    both.save(Path(__file__).with_name("street.jpg"), quality=88)
