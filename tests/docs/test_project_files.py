"""The changelog and the citation name the version that the package has."""

import re

import yaml

import partwise
from docs.markdown import ROOT


def test_citation_has_what_its_schema_requires_and_the_version_of_the_package():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["cff-version"] == "1.2.0" and citation["message"] and citation["title"]
    assert citation["authors"] == [{"name": "The partwise developers"}]
    assert citation["version"] == partwise.__version__
    assert citation["license"] == "Apache-2.0"


def test_readme_cites_what_the_citation_file_has():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    fields = dict(re.findall(r"^  (\w+) += \{+([^{}]+)\}+,?$", readme, re.MULTILINE))
    cited = {"author": citation["authors"][0]["name"], "title": citation["title"], "version": citation["version"]}
    assert cited.items() <= fields.items()


def test_changelog_lists_the_unreleased_changes_before_the_version_of_the_package():
    sections = re.findall(r"^## \[([^\]]+)\]", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert sections[0] == "Unreleased"
    assert partwise.__version__ in sections


def test_hooks_need_no_other_host():
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    assert [repository["repo"] for repository in hooks["repos"]] == ["local"]
