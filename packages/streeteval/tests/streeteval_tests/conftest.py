"""Trees of data and results of the size of stamps, and the official modules where they are installed."""

import gzip
import json
import tarfile
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
def shared_polygons(tmp_path_factory):
    """Twenty published polygon files, from the archives beside the checkout."""
    shared = Path(__file__).resolve().parents[5] / "shared" / "cityscapes"
    if not shared.is_dir():
        pytest.skip("needs published polygons in ../shared/cityscapes")
    folder, found = tmp_path_factory.mktemp("polygons"), []
    with tarfile.open(shared / "val-00.tar") as archive:
        for member in archive:
            if member.name.endswith(".json.gz") and len(found) < 20:
                path = folder / f"{member.name.removesuffix('.json.gz')}_gtFine_polygons.json"
                path.write_bytes(gzip.decompress(archive.extractfile(member).read()))
                found.append(path)
    assert len(found) == 20
    return found
