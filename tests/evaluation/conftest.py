"""The official frames, where they lie beside the checkout."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from evaluation.scenes import scene_of
from partwise.scene import Scene


@pytest.fixture(scope="session")
def official_scenes(shared_root: Path) -> list[Scene]:
    """The official frames with their published truth, without their images."""
    files = sorted((shared_root / "cityscapes" / "official").glob("gtFine/*/*/*_gtFine_instanceIds.png"))
    if not files:
        pytest.skip("needs the official Cityscapes frames in ../shared/cityscapes/official")
    read = lambda path: np.asarray(Image.open(path))
    return [
        scene_of(
            read(path),
            path.name.removesuffix("_gtFine_instanceIds.png"),
            read(path.with_name(path.name.replace("instanceIds", "labelIds"))),
        )
        for path in files
    ]
