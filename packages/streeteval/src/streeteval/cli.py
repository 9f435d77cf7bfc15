"""The command line: one command for each of the official ones, and those that say more."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from importlib import import_module

__all__ = ["COMMANDS", "main"]

# name -> (module, function of the words and of the name of the program, what it does)
COMMANDS = {
    "instance": ("official.commands", "evaluate_instances", "AP of instances, as csEvalInstanceLevelSemanticLabeling"),
    "pixel": ("official.commands", "evaluate_pixels", "IoU of pixels, as csEvalPixelLevelSemanticLabeling"),
    "panoptic": ("official.panoptic", "evaluate", "panoptic quality, as csEvalPanopticSemanticLabeling"),
    "create-train-id-label": ("official.create", "create_train_id_labels", "as csCreateTrainIdLabelImgs"),
    "create-train-id-instance": ("official.create", "create_train_id_instances", "as csCreateTrainIdInstanceImgs"),
    "create-ids": ("official.create", "create_ids", "labelIds and instanceIds from polygons"),
    "score": ("score_command", "run_score", "all scores of a folder, with intervals, by size, as CSV"),
    "explain": ("score_command", "run_explain", "what matched what in one image, and why"),
    "compare": ("score_command", "run_compare", "whether one result is better than another"),
    "bench": ("bench.command", "run_bench", "time beside cityscapesScripts"),
    "create-panoptic": ("official.create", "create_panoptic", "as csCreatePanopticImgs"),
}


def _usage() -> str:
    width = max(map(len, COMMANDS))
    lines = [f"  {name:<{width}}  {about}" for name, (_, _, about) in COMMANDS.items()]
    return "\n".join(["usage: streeteval COMMAND [options]", "", *lines, "", "streeteval COMMAND --help says more."])


def main() -> None:
    """Run a command. The code is 0, 255 for bad input (as the official scripts have it), or 2 for a wrong option."""
    words = sys.argv[1:]
    if not words or words[0] in ("-h", "--help"):
        print(_usage())
        sys.exit(0 if words else 2)
    if words[0] not in COMMANDS:
        print(f"streeteval: unknown command {words[0]!r}\n\n{_usage()}", file=sys.stderr)
        sys.exit(2)
    sys.exit(_run(words[0], words[1:]))


def _run(name: str, words: Sequence[str]) -> int:
    from streeteval.official.places import as_command

    module, function, _ = COMMANDS[name]
    run: Callable[..., None] = getattr(import_module(f"streeteval.{module}"), function)
    return as_command(lambda _: run(words, prog=f"streeteval {name}"))
