"""What several commands of the studies are given: weights of VGG16, and their own command line."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from partwise.errors import PartwiseError


def require_weights(weights: str) -> None:
    """Raise PartwiseError if these are no weights of VGG16: a file, torchvision, random, or "" for none given."""
    if weights not in ("", "torchvision", "random") and not Path(weights).is_file():
        raise PartwiseError(f"--weights {weights}: no such file: give VGG16's safetensors file, torchvision or random")


def command_line() -> str:
    """The command line without the folders of this machine."""
    return " ".join(["partwise", *(re.sub(r"(^|=)[^=]*/([^/]+)/?$", r"\1\2", word) for word in sys.argv[1:])])
