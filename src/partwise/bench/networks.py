"""Compare the networks of recipes before any training: parameters, multiplications, and time, in one run.

The time of a network does not depend on its weights, which are random here. The time of decoding does: measure it with
`partwise bench models` after the training. Times are by the clock; the networks take turns, so that a change of the
machine's speed affects all of them.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence

import torch
from torch.utils.flop_counter import FlopCounterMode

from partwise.backbones.fold import fold_batch_norm
from partwise.backbones.on_device import on_device
from partwise.bench.models import size_name
from partwise.bench.speed import with_threads
from partwise.errors import PartwiseError
from partwise.methods import Method, build_method
from partwise.recipes import recipe
from partwise.report.tables import Table, fraction
from partwise.report.text import table_text
from streeteval.machine import describe_machine


def bench_networks(
    recipes: Sequence[str],
    *,
    size: tuple[int, int] = (640, 1280),
    threads: int = 2,
    repeats: int = 7,
    progress: Callable[[str, int, int], None] = lambda part, done, total: None,
) -> dict:
    """Measure the networks of recipes.

    Args:
        recipes: Names of recipes; the others are compared with the first.
        size: (H, W) in pixels of the image that the networks see.
        threads: Number of threads of torch.
        repeats: Number of calls of each network; the median counts.
        progress: Called with what is being done, how much of it is done, and all of it.

    Returns:
        {"machine", "size", "networks": [{"recipe", "parameters", "gflop", "ms", "of_first"}]}. A multiplication with
        an addition counts as one floating-point operation; "of_first" is the median of the shares of the first
        network's time in the same turn.

    Raises:
        PartwiseError: If a recipe is unknown, or a number is below 1.
    """
    if threads < 1 or repeats < 1:
        raise PartwiseError(f"{threads} threads, {repeats} repeats: give numbers from 1 on")
    with with_threads(threads):
        networks = [_ready(name) for name in recipes]
    image = torch.randint(0, 256, (1, 3, *size), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    rows: list[dict] = []
    seconds: list[list[float]] = [[] for _ in networks]
    with with_threads(threads), torch.inference_mode():
        for name, network in zip(recipes, networks, strict=True):
            with FlopCounterMode(display=False) as flops:
                network.respond(image)
            parameters = sum(parameter.numel() for parameter in network.parameters())
            rows.append({"recipe": name, "parameters": parameters, "gflop": round(flops.get_total_flops() / 2e9, 2)})
        for turn in range(repeats):
            progress("the networks", turn, repeats)
            for network, times in zip(networks, seconds, strict=True):
                begin = time.perf_counter()
                network.respond(image)
                times.append(time.perf_counter() - begin)
    for row, times in zip(rows, seconds, strict=True):
        shares = [own / first for own, first in zip(times, seconds[0], strict=True)]
        row |= {"ms": round(1000 * statistics.median(times), 1), "of_first": round(statistics.median(shares), 3)}
    machine = describe_machine() | {"threads": threads, "torch": torch.__version__}
    return {"machine": machine, "size": size_name(size), "networks": rows}


def networks_text(figures: dict) -> str:
    """Format the result of `bench_networks`: a row for each network."""
    columns = ("recipe", "parameters", "GFLOP", "ms", "of the first")
    keys = ("recipe", "parameters", "gflop", "ms")
    rows = [[*(row[key] for key in keys), fraction(row["of_first"])] for row in figures["networks"]]
    return table_text(Table("", columns, rows))


def _ready(name: str) -> Method:
    """Build the network of a recipe with random weights, ready to predict."""
    return on_device(fold_batch_norm(build_method(recipe(name).method)), "cpu")
