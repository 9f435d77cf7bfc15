"""The tables of the docs are those of results/, and a figure in a sentence stands in a table of its page."""

import doctest
import re

import pytest
from tables import TABLES, evaluations, table
from tables.evaluations import make, quote
from tables.pages import PLACE, main, names_in, pages, with_tables
from tables.table import RESULTS, Table, load, markdown

from docs.markdown import ROOT, tables_and_prose

FIGURE = re.compile(r"(?<![\d.,])(?:0|1)\.\d{3}(?!\d)")
TEMPLATE = re.compile(r"\{[\w.]+:[^{}\"'` ][^{}]*\}")
LOG = ROOT / "docs" / "log"
TOLD = [ROOT / "README.md", *(ROOT / "docs" / f"{name}.md" for name in ("models", "benchmarks", "ceilings"))]


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_tables_are_those_of_results(page):
    text = page.read_text(encoding="utf-8")
    assert text == with_tables(text, page), "run make tables"


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_no_table_shows_a_template(page):
    tables, _ = tables_and_prose(page.read_text(encoding="utf-8"))
    assert not TEMPLATE.findall(tables)


def test_a_template_that_is_not_replaced_is_refused():
    assert TEMPLATE.findall("| {clicks:size} | {speed:predict/0/mean/total_ms:.0f} |")
    with pytest.raises(ValueError, match="not of the form"):
        quote("{clicks:size}")


def test_every_table_is_on_a_page():
    shown = {name for page in pages() for name in names_in(page.read_text(encoding="utf-8"))}
    assert shown == set(TABLES)


def test_check_names_a_page_that_differs_and_make_corrects_it(tmp_path, monkeypatch, capsys):
    page = tmp_path / "page.md"
    right = with_tables("<!-- table: rendered -->\n<!-- end -->\n", page)
    page.write_text(right.replace("0.400", "0.401"))
    monkeypatch.setattr("tables.pages.pages", lambda: [page])
    monkeypatch.setattr("tables.pages.ROOT", tmp_path)
    assert main(["--check"]) == 1 and "page.md" in capsys.readouterr().err
    assert main([]) == 0 and page.read_text() == right
    assert main(["--check"]) == 0


def test_a_figure_of_a_table_is_that_of_its_json():
    rows = {row[0]: row for row in TABLES["models-by-class"]().rows}
    scores = load("seventh_val")["instance"]["per_class"]
    assert rows["`streets`"][1] == f"{scores['car']['ap']:.3f}"
    assert quote("{speed:predict/0/mean/total_ms:.0f}") == f"{load('speed')['predict'][0]['mean']['total_ms']:.0f}"


@pytest.mark.parametrize("module", [table, evaluations], ids=lambda module: module.__name__)
def test_examples_of_docstrings(module):
    result = doctest.testmod(module)
    assert result.attempted and not result.failed


@pytest.mark.parametrize("figures", [["no such figure"], ["AP <7 px"], ["tram AP"]])
def test_an_unknown_figure_is_refused(figures):
    with pytest.raises(KeyError):
        make({"say": ["model"], "figures": figures, "rows": [{"say": ["x"], "of": "streets_val"}]})


def test_an_unknown_table_and_an_uneven_row_are_refused():
    with pytest.raises(KeyError, match="no table is called nothing"):
        with_tables("<!-- table: nothing -->\n<!-- end -->", ROOT / "README.md")
    with pytest.raises(ValueError, match="1 cells under 2 headings"):
        markdown(Table(["a", "b"], [["1"]]), ROOT / "README.md")


@pytest.mark.parametrize("page", [*TOLD, *sorted(LOG.glob("2*.md"))], ids=lambda page: str(page.relative_to(ROOT)))
def test_figures_in_sentences_stand_in_a_table(page):
    tables, prose = tables_and_prose(page.read_text(encoding="utf-8"))
    assert set(FIGURE.findall(prose)) <= set(FIGURE.findall(tables))


def test_figures_of_the_index_stand_in_the_log():
    index = (LOG / "README.md").read_text(encoding="utf-8")
    logged = "\n".join(tables_and_prose(page.read_text(encoding="utf-8"))[0] for page in LOG.glob("2*.md"))
    assert set(FIGURE.findall(index)) <= set(FIGURE.findall(logged))


def test_the_index_lists_every_page_by_date():
    listed = re.findall(r"\| (\S+) \| \[[^\]]+\]\(([^)]+)\)", (LOG / "README.md").read_text(encoding="utf-8"))
    assert sorted(name for _, name in listed) == sorted(page.name for page in LOG.glob("2*.md"))
    assert all(name.startswith(date) for date, name in listed)
    assert [date for date, _ in listed] == sorted(date for date, _ in listed)


@pytest.mark.parametrize("page", sorted(LOG.glob("2*.md")), ids=lambda page: page.stem)
def test_a_log_page_has_its_parts(page):
    text = page.read_text(encoding="utf-8")
    assert f"\n{page.name[:10]} · log\n" in text
    for part in (
        "**Question.**",
        "**Answer.**",
        "\n## Command\n",
        "README.md#what-all-pages-share",
        "\n## Conclusion\n",
    ):
        assert part in text, part
    assert PLACE.search(text) or not any(map(FIGURE.search, tables_and_prose(text)))  # a command may have numbers


def test_result_files_are_named_in_the_docs():
    text = "\n".join(page.read_text(encoding="utf-8") for page in pages())
    described = "\n".join(
        file.read_text(encoding="utf-8") for file in (ROOT / "docs" / "tables").iterdir() if file.is_file()
    )
    unused = {file.stem for file in RESULTS.glob("*.json")} - set(re.findall(r"[\w.]+\w", text + described))
    assert not unused
