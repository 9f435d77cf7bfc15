"""What the tests read of a Markdown page: its code, prose, tables, links, and the anchors of its headings."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FENCE = re.compile(r"^(```|~~~)(\w*)[^\n]*\n(.*?)^\1", re.MULTILINE | re.DOTALL)
INDENTED = re.compile(r"(?:(?<=\n\n)|\A)(?:    [^\n]*\n)+")
SPAN = re.compile(r"(`+)(.+?)\1", re.DOTALL)
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#{1,6} +(.+?)\s*$", re.MULTILINE)


def pages() -> list[Path]:
    """Every page that belongs to the repository: at its root, under docs/ and of its packages."""
    found = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "packages").rglob("*.md")]
    return sorted(page for page in found if not {"node_modules", "build", "dist"} & set(page.parts))


def blocks(text: str) -> list[tuple[str, str]]:
    """(language, code) of every fenced block."""
    return [(fence[2], fence[3]) for fence in FENCE.finditer(text)]


def without_blocks(text: str) -> str:
    """The text without fenced and indented code."""
    return INDENTED.sub("", FENCE.sub("", text))


def spans(text: str) -> list[str]:
    """The code in the sentences and tables of a page."""
    return [" ".join(span[2].split()) for span in SPAN.finditer(without_blocks(text))]


def links(text: str) -> list[str]:
    """The targets of links and pictures."""
    return LINK.findall(SPAN.sub(lambda span: "x" * len(span[0]), without_blocks(text)))


def anchors(text: str) -> set[str]:
    """The anchors that GitHub gives to the headings of a page."""
    found: set[str] = set()
    for heading in HEADING.findall(FENCE.sub("", text)):
        words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
        slug = re.sub(r"[^\w\- ]", "", words).replace(" ", "-")
        number = 0
        while (anchor := f"{slug}-{number}" if number else slug) in found:
            number += 1
        found.add(anchor)
    return found


def tables_and_prose(text: str) -> tuple[str, str]:
    """The lines of tables, and the other lines without code and link targets."""
    lines = FENCE.sub("", text).splitlines()
    tables = [line for line in lines if line.lstrip().startswith("|")]
    prose = "\n".join(line for line in lines if not line.lstrip().startswith("|"))
    return "\n".join(tables), re.sub(r"\]\([^)]*\)", "]", SPAN.sub("", prose))
