"""The Markdown pages of the repository, and the command that makes their tables on the path."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "docs"))  # docs/make_tables.py and its package `tables`
