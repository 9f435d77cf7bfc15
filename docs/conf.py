"""Configuration of Sphinx: README.md, docs/ and the reference from the docstrings as one site, built by `make docs`.

The source folder is the root of the repository. So a link between two pages is right on the site and in the repository.
"""

from pathlib import Path

from sphinx.application import Sphinx

import partwise
from streeteval.labels import LabelSet

ROOT = Path(__file__).resolve().parent.parent

project = "partwise"
author = "The partwise developers"
release = version = partwise.__version__
root_doc = "README"
extensions = ["sphinx.ext.autodoc", "sphinx.ext.napoleon", "myst_parser"]

# Pages lie at the root and under docs/.
exclude_patterns = [entry.name for entry in ROOT.iterdir() if entry.is_dir() and entry.name != "docs"]

# `make docs` builds with --nitpicky --fail-on-warning: a reference to a name of partwise that has no entry is an error.
# Names of other packages are not looked up, because their inventories are on other hosts. Type variables have no entry.
nitpick_ignore_regex = [(r"py:.*", r"(?!partwise\b).*"), (r"py:.*", r".*\.(T|Record)")]

autodoc_member_order = "bysource"
autodoc_preserve_defaults = True  # a signature shows the name of a constant
LabelSet.__repr__ = lambda label_set: label_set.name.upper()  # also in the signature of a dataclass
autodoc_typehints_format = "short"
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 100
napoleon_numpy_docstring = False
napoleon_custom_sections = [("Attributes", "params_style")]  # a list in the entry of the class

myst_heading_anchors = 4

smartquotes_action = "D"  # dashes alone: "no" is a value, not a quotation

html_theme = "furo"  # its fonts and scripts are local files
html_title = f"partwise {version}"
html_show_sphinx = False
html_copy_source = False
templates_path = ["templates"]
html_additional_pages = {"index": "index.html"}  # leads to README.html

# The navigation. It is no part of the Markdown pages, where it would be noise to a reader of the repository.
NAVIGATION = {
    "README": """
        Guides: docs/install docs/predict docs/concepts docs/training docs/data docs/finetuning docs/video docs/serve
        Further guides: docs/scale docs/runtime docs/cityscapesscripts
        Data and ceilings: docs/cityscapes docs/ceilings docs/reproduce
        Extensions: docs/extending docs/bundled-training
        Reference: docs/api/index docs/models docs/benchmarks docs/evaluation docs/doctor
        Project: docs/log/README CONTRIBUTING CHANGELOG
    """,
    "docs/log/README": "Experiments: 2*",
}


def _with_navigation(_app: Sphinx, page: str, content: list[str]) -> None:
    """Append the hidden lists of pages below a page."""
    for line in NAVIGATION.get(page, "").strip().splitlines():
        caption, _, pages = line.strip().partition(": ")
        listed = "\n".join(pages.split())
        content[0] += f"\n```{{toctree}}\n:hidden:\n:glob:\n:caption: {caption}\n\n{listed}\n```\n"


def setup(app: Sphinx) -> None:
    """Called by Sphinx."""
    app.connect("source-read", _with_navigation)
