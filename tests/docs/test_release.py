"""What a release holds: an sdist whose tests can run, and a page for PyPI whose links lead somewhere."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from setuptools.command.egg_info import FileList

from docs.markdown import ROOT, links

LEFT_OUT = {".ci/run", "MANIFEST.in"}  # what runs where the project is kept; setuptools adds its own template
ADDED_BY_SETUPTOOLS = ("src/", "pyproject.toml", "README.md", "LICENSE", "NOTICE")


@pytest.fixture(scope="module")
def chosen() -> set[str]:
    """The files that MANIFEST.in chooses, as setuptools reads it; nothing is built."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        files = FileList()
        for line in (ROOT / "MANIFEST.in").read_text(encoding="utf-8").splitlines():
            files.process_template_line(line)
    return {Path(name).as_posix() for name in files.files}


def test_an_sdist_holds_what_its_tests_and_its_makefile_need(chosen):
    needed = {
        *("Makefile", "constraints.txt", "CHANGELOG.md", "CITATION.cff", "CONTRIBUTING.md", "NOTICE"),
        *(".pre-commit-config.yaml", ".gitignore"),
        *("tests/conftest.py", "tests/tiny_networks.py", "tests/stranger/partwise_stranger/blobs.py"),
        *("docs/make_tables.py", "docs/absolute_links.py", "docs/log/README.md", "docs/pictures/street.jpg"),
        *("results/streets_val.json", "packages/partwise-streets/pyproject.toml"),
        "packages/partwise-streets/src/partwise_streets/streets.safetensors",
        "packages/partwise-streets-free/src/partwise_streets_free/streets-free.safetensors",
    }
    assert not needed - chosen


def test_an_sdist_holds_every_file_of_the_repository(chosen):
    if not (ROOT / ".git").exists() or shutil.which("git") is None:
        pytest.skip("not in a clone: nothing says which files belong to the repository")
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, check=True, capture_output=True, text=True, timeout=30)
    here = {name for name in listed.stdout.splitlines() if (ROOT / name).exists()}
    missing = {name for name in here - chosen - LEFT_OUT if not name.startswith(ADDED_BY_SETUPTOOLS)}
    assert not missing, "add them to MANIFEST.in"


def test_an_sdist_holds_no_traces_of_running(chosen):
    assert not [name for name in chosen if "__pycache__" in name or ".egg-info" in name or name.endswith(".pyc")]


def for_pypi(*arguments):
    command = [sys.executable, ROOT / "docs" / "absolute_links.py", ROOT / "README.md", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def test_the_page_for_pypi_has_no_relative_links_and_is_else_the_same():
    made = for_pypi("--pages", "https://example.org/blob/v1", "--pictures", "https://example.org/raw/v1").stdout
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert links(made) and all(link.startswith(("https://", "#")) for link in links(made))
    assert "](https://example.org/raw/v1/docs/pictures/street.jpg)" in made
    assert made.replace("https://example.org/blob/v1/", "").replace("https://example.org/raw/v1/", "") == readme


def test_a_page_for_pypi_needs_absolute_addresses():
    refused = for_pypi("--pages", "docs", "--pictures", "https://example.org")
    assert refused.returncode == 2 and "'docs' is no base URL" in refused.stderr and not refused.stdout
