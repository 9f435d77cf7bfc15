"""The command line: each command reads its arguments, calls one function, prints what it wrote and what to do next."""

from partwise.cli import (
    bench_alarms,
    bench_baselines,
    bench_robustness,
    bench_tracks,
    benches,
    ceiling,
    datasets,
    describe,
    doctor,
    export,
    photos,
    runtimes,
    scores,
    serving,
    throughput,
    training,
)
from partwise.cli.app import app, main

__all__ = [
    "app",
    "bench_alarms",
    "bench_baselines",
    "bench_robustness",
    "bench_tracks",
    "benches",
    "ceiling",
    "datasets",
    "describe",
    "doctor",
    "export",
    "main",
    "photos",
    "runtimes",
    "scores",
    "serving",
    "throughput",
    "training",
]
