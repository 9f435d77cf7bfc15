"""The site of `make docs` builds without a warning, and its reference has every public name."""

import importlib
import os
import subprocess
import sys

import pytest
from sphinx.util.inventory import InventoryFile

from docs.markdown import ROOT

SOURCES = [str(ROOT / "src"), str(ROOT / "packages" / "streeteval" / "src")]
SECONDS = 300  # a few seconds on an idle machine
# Modules whose public names are the public face, and the names that need no entry: constants, mappings and types.
PUBLIC = {
    "partwise": (),
    "partwise.data": ("DATASETS", "labels_of"),
    "partwise.evaluation": (),
    "partwise.training": ("train",),
}


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The folder of the site."""
    out = tmp_path_factory.mktemp("site")
    options = ["--nitpicky", "--fail-on-warning", "--keep-going", "-q", "-c", "docs"]
    built = subprocess.run(
        [sys.executable, "-m", "sphinx", *options, ".", out],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        env=os.environ | {"PYTHONPATH": os.pathsep.join([*SOURCES, os.environ.get("PYTHONPATH", "")])},
    )
    assert built.returncode == 0, built.stderr
    return out


def test_reference_has_every_public_name(site):
    inventory = InventoryFile.loads((site / "objects.inv").read_bytes(), uri="").data
    entries = {name for kind, names in inventory.items() if kind.startswith("py:") for name in names}
    for module, others in PUBLIC.items():
        names = set(importlib.import_module(module).__all__) - set(others)
        assert {f"{module}.{name}" for name in names} - entries <= aliases(module, names, entries)


def aliases(module, names, entries):
    """The names that have an entry under another name, such as that of their class in its own module."""
    found = {name: getattr(importlib.import_module(module), name) for name in names}
    places = {
        name: {f"{one.__module__}.{one.__qualname__}", f"partwise.{name}"}
        for name, one in found.items()
        if hasattr(one, "__qualname__")
    }
    return {f"{module}.{name}" for name, where in places.items() if where & entries}


def test_pages_need_no_other_host(site):
    pages = [*site.glob("*.html"), *site.glob("docs/**/*.html")]
    assert len(pages) > 20
    for page in pages:
        text = page.read_text(encoding="utf-8")
        assert ">Type<" not in text, f"{page}: the docstring of a property has a colon in its first line"
        assert 'src="http' not in text and '<link rel="stylesheet" type="text/css" href="http' not in text, page
