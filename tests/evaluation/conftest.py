"""The official frames, where they lie beside the checkout."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from evaluation.scenes import scene_of
from partwise.scene import Scene

REPOSITORY = Path(__file__).resolve().parents[2]
OFFICIAL = REPOSITORY / ".." / "shared" / "cityscapes" / "official"


@pytest.fixture(scope="session")
def official_scenes() -> list[Scene]:
    """The official frames with their published truth, without their images."""
    files = sorted(OFFICIAL.glob("gtFine/*/*/*_gtFine_instanceIds.png"))
    if not files:
        pytest.skip("the official Cityscapes frames are not beside this checkout (../shared/cityscapes/official)")
    read = lambda path: np.asarray(Image.open(path))
    return [
        scene_of(
            read(path),
            path.name.removesuffix("_gtFine_instanceIds.png"),
            read(path.with_name(path.name.replace("instanceIds", "labelIds"))),
        )
        for path in files
    ]
