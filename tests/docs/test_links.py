"""Every link from a Markdown page into the repository leads to a file, and to a heading where it names one."""

import pytest

from docs.markdown import ROOT, anchors, links, pages


def broken(page, text):
    """The links of a page that lead nowhere."""
    found = []
    for link in links(text):
        if "://" in link or link.startswith("mailto:"):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or not target.is_relative_to(ROOT):
            found.append(f"{link}: no such file")
        elif anchor and anchor not in anchors(text if target == page else target.read_text(encoding="utf-8")):
            found.append(f"{link}: no such heading")
    return found


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    assert not broken(page, page.read_text(encoding="utf-8"))


def test_broken_links_are_seen():
    page = ROOT / "README.md"
    text = "# Two words\n[a](#two-words) [b](#three) [c](nowhere.md) [d](LICENSE) "
    text += "[e](docs/log/README.md#nothing) `[f](g)`\n"
    assert broken(page, text) == [
        "#three: no such heading",
        "nowhere.md: no such file",
        "docs/log/README.md#nothing: no such heading",
    ]
