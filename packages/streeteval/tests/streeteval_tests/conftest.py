"""Trees of data and results of the size of stamps, and the official modules where they are installed."""

import json
from pathlib import Path

import numpy as np
import pytest

from streeteval_tests.city import make_city


@pytest.fixture(scope="session")
def city(tmp_path_factory):
    """A data set of three frames in two cities, with results for val as the official scripts want them."""
    return make_city(tmp_path_factory.mktemp("city"))


@pytest.fixture
def official_on_new_numpy(monkeypatch):
    """Lets cityscapesScripts 2.3.0 run: NumPy has no in1d any more, and its counts are not integers of Python."""
    import cityscapesscripts.evaluation.evalInstanceLevelSemanticLabeling as instance  # noqa: N813
    import cityscapesscripts.evaluation.evalPixelLevelSemanticLabeling as pixel  # noqa: N813

    def write(value, path):
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_text(json.dumps(value, default=lambda number: number.item(), sort_keys=True, indent=4))

    monkeypatch.setattr(np, "in1d", np.isin, raising=False)
    for module in (instance, pixel):
        monkeypatch.setattr(module, "writeDict2JSON", write)


@pytest.fixture(scope="session")
def shared_polygons():
    """Published polygons, where they lie beside the checkout."""
    shared = Path(__file__).resolve().parents[5] / "shared"
    found = sorted(shared.glob("cityscapes/**/gt*_polygons.json"))[:20]
    if not found:
        pytest.skip("needs published polygons in ../shared/cityscapes")
    return found
