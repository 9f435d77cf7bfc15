"""Print a Markdown page with absolute links, as PyPI needs it: a page there has no files beside it.

    python docs/absolute_links.py README.md --pages https://HOST/PROJECT/blob/TAG --pictures https://HOST/PROJECT/raw/TAG

Links of the form [text](path) and ![text](path) are changed. Links with a scheme, links within the page (#heading) and
code stay as they are.
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path

CODE_OR_LINK = re.compile(r"(?P<code>^```.*?^```|`[^`\n]+`)|(?P<start>!?\[[^\]]*\]\()(?P<target>[^)\s]+)", re.M | re.S)


def with_absolute_links(text: str, pages: str, pictures: str) -> str:
    """Return a page in which every relative link begins with a base URL.

    Args:
        text: The Markdown page, at the root of the repository.
        pages: Base URL of links.
        pictures: Base URL of pictures.

    >>> with_absolute_links("![a](b.jpg) [c](d.md#e) [f](#g) `[h](i)`", "https://x/blob", "https://x/raw/")
    '![a](https://x/raw/b.jpg) [c](https://x/blob/d.md#e) [f](#g) `[h](i)`'
    """

    def absolute(found: re.Match[str]) -> str:
        if found["code"] or found["target"].startswith("#") or re.match(r"[a-z][a-z+.-]*:", found["target"]):
            return found[0]
        base = pictures if found["start"].startswith("!") else pages
        return f"{found['start']}{base.rstrip('/')}/{found['target']}"

    return CODE_OR_LINK.sub(absolute, text)


def main() -> None:
    """Read the page that the command line names, and print it."""
    parser = argparse.ArgumentParser(description="Print a Markdown page with absolute links.")
    parser.add_argument("page", type=Path)
    parser.add_argument("--pages", required=True, metavar="URL", help="base URL of links")
    parser.add_argument("--pictures", required=True, metavar="URL", help="base URL of pictures")
    given = parser.parse_args()
    for url in (given.pages, given.pictures):
        if not url.startswith("https://"):
            parser.error(f"{url!r} is no base URL: give one that begins with https://")
    print(with_absolute_links(given.page.read_text(encoding="utf-8"), given.pages, given.pictures), end="")


if __name__ == "__main__":
    main()
