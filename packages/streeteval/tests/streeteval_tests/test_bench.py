"""The measurement compares equal scores, and says how long decoding alone takes."""

import json
import sys

import numpy as np
import pytest
from PIL import Image

from streeteval.bench.measure import bench
from streeteval.errors import InputError
from streeteval_tests.city import FRAMES, labels_of, make_city
from streeteval_tests.test_commands import run

pytest.importorskip("cityscapesscripts", reason="needs cityscapesScripts to compare with")


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """A city whose frames are as large as rectangles of predictions need."""
    city = make_city(tmp_path_factory.mktemp("large"))
    for name in FRAMES:
        for path in (city.root / "gtFine" / "val").rglob(f"{name}_*.png"):
            ids_HW = np.kron(city.truth[name], np.ones((4, 4), np.int32))
            ids_HW = labels_of(ids_HW) if "labelIds" in path.name else ids_HW.astype(np.uint16)
            Image.fromarray(ids_HW).save(path)
    return city


def test_figures_of_both(large, tmp_path):
    figures = bench(large.root, frames=2, predictions=6, rounds=1, workers=2, scaling_images=4)
    assert figures["largest difference of a score"] < 1e-9 and figures["images"] == 2 and figures["size"] == "384x192"
    for of in figures["seconds an image"].values():
        assert all(seconds > 0 for seconds in of.values())
    assert figures["scaling"]["images"] == 4
    done = run("streeteval", "bench", "--data", large.root, "--frames", "1", "--predictions", "4", "--rounds", "1",
               "--json", tmp_path / "bench.json", cwd=tmp_path)  # fmt: skip
    assert done.returncode == 0 and "times faster" in done.stdout
    assert json.loads((tmp_path / "bench.json").read_text())["predictions an image"] == 4


def test_what_cannot_be_measured_is_one_line(large):
    with pytest.raises(InputError, match="give numbers from 1 on"):
        bench(large.root, frames=0)
    with pytest.raises(InputError, match="cityscapesScripts cannot be measured there"):
        bench(large.root, frames=1, predictions=4, rounds=1, official_python=f"{sys.executable}-none")
