"""Make the pictures of README and concepts: the bundled model on rendered streets that no training saw.

python docs/pictures/make.py
"""

from pathlib import Path

import numpy as np
from PIL import Image

from partwise import load
from partwise.data.streets import Streets
from partwise.report.inspect import draw_explanation
from partwise.report.overlay import draw_overlay
from partwise.segmenter import SHOWN_SCORE

SEED, SCENE = 77, 17
EXPLAINED_SEED, EXPLAINED_POINT = 7, (240, 286)
HERE, SIZE = Path(__file__).parent, (512, 1024)

if __name__ == "__main__":
    segment = load()
    scene = Streets(SCENE + 1, SIZE, SEED)[SCENE]
    found = draw_overlay(scene.image_HW3, segment(scene.image_HW3, min_score=SHOWN_SCORE).prediction, tint=0.25)
    Image.fromarray(np.concatenate([scene.image_HW3, found], axis=1)).save(HERE / "street.jpg", quality=88)
    street = Streets(1, SIZE, EXPLAINED_SEED)[0]
    explanation = segment.explain(street.image_HW3, EXPLAINED_POINT)
    picture = draw_explanation(segment.seen(street.image_HW3), explanation, segment.method.config.k)
    Image.fromarray(picture).save(HERE / "explained.png", optimize=True)
