"""The Markdown pages: find the places of tables, write the tables there, or say which pages differ."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from tables import TABLES
from tables.table import ROOT, markdown

PLACE = re.compile(r"(<!-- table: (?P<name>\S+) -->\n)(?P<body>.*?)(<!-- end -->)", re.DOTALL)


def pages() -> list[Path]:
    """README.md, every page under docs/, and the README.md of every package."""
    packages = sorted((ROOT / "packages").glob("*/README.md"))
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")), *packages]


def names_in(text: str) -> list[str]:
    """Names of the tables that a page asks for."""
    return [place["name"] for place in PLACE.finditer(text)]


def with_tables(text: str, page: Path) -> str:
    """The text of a page with its tables as the figures are now.

    Raises KeyError, with the page and the name, where a page asks for a table that nobody makes.
    """

    def write(place: re.Match) -> str:
        if place["name"] not in TABLES:
            raise KeyError(f"{page}: no table is called {place['name']}")
        return f"{place[1]}{markdown(TABLES[place['name']](), page)}\n{place[4]}"

    return PLACE.sub(write, text)


def main(arguments: Sequence[str]) -> int:
    """Write every page that differs, or with --check name it; the exit code."""
    parser = argparse.ArgumentParser(prog="make_tables.py", description="Write the tables of the docs from results/.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit code 1 where a page differs")
    check = parser.parse_args(arguments).check
    differing = 0
    for page in pages():
        text = page.read_text(encoding="utf-8")
        made = with_tables(text, page)
        if made == text:
            continue
        differing += 1
        name = page.relative_to(ROOT)
        if check:
            print(f"{name}: its tables differ from results/: run make tables", file=sys.stderr)
        else:
            page.write_text(made, encoding="utf-8")
            print(f"wrote {name}")
    return 1 if check and differing else 0
