"""The command `streeteval bench`."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence

from streeteval.bench.measure import bench
from streeteval.files import atomic_write
from streeteval.official.places import dataset_path
from streeteval.tables import aligned

__all__ = ["run_bench"]


def run_bench(words: Sequence[str], prog: str | None = None) -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(
        prog=prog,
        description="Measure the time of streeteval and of cityscapesScripts on predictions made from the truth.",
    )
    parser.add_argument("--data", help="root of the data set (default: CITYSCAPES_DATASET)")
    parser.add_argument("--split", default="val", help="default: %(default)s")
    parser.add_argument("--frames", type=int, default=6, help="default: %(default)s")
    parser.add_argument("--predictions", type=int, default=100, help="instances in each frame (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="the best of so many counts (default: %(default)s)")
    parser.add_argument("--workers", type=int, default=1, help="also compare so many processes with one")
    parser.add_argument("--official-python", help="interpreter that has cityscapesScripts and an older NumPy")
    parser.add_argument("--json", help="file for all figures")
    asked = parser.parse_args(words)
    figures = bench(
        asked.data or dataset_path(),
        asked.split,
        frames=asked.frames,
        predictions=asked.predictions,
        rounds=asked.rounds,
        workers=asked.workers,
        official_python=asked.official_python,
    )
    rows = [
        [kind, *(f"{seconds:.3f}" for seconds in of.values()), f"{figures['times faster'][kind]:.1f}"]
        for kind, of in figures["seconds an image"].items()
    ]
    print(aligned([["seconds an image", "official", "ours", "decoding with Pillow", "times faster"], *rows]))
    print(f"largest difference of a score: {figures['largest difference of a score']:.1e}")
    if figures["scaling"]:
        print(f"{asked.workers} processes: {figures['scaling']['times faster']} times as fast as one")
    if asked.json:
        with atomic_write(asked.json, "w") as file:
            file.write(json.dumps(figures, indent=2) + "\n")
