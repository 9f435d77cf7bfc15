"""Tables of `partwise bench tracks` (tracks.json)."""

from __future__ import annotations

from functools import partial
from typing import Any

from tables.table import MISSING, Make, Table, fraction, load

SETTINGS = {
    "start": "begins a track",
    "low": "continues a track",
    "high": "is assigned first",
    "overlap": "least overlap",
    "mask_share": "share of the masks",
    "lost_seconds": "seconds of waiting",
}
SCORES = {"HOTA": "hota", "DetA": "deta", "AssA": "assa", "IDF1": "idf1"}


def trackers(detections: str) -> Table:
    """A row for each tracker with the same detections."""
    rows = [
        [row["tracker"], *(fraction(row[key]) for key in SCORES.values()), str(row["id_changes"]), str(row["tracks"])]
        for row in load("tracks")["rows"]
        if row["detections"] == detections
    ]
    return Table(["tracker", *SCORES, "changes of id", "tracks"], rows)


def categories() -> Table:
    """HOTA and IDF1 of people and of vehicles."""
    rows = [
        [row["detections"], row["tracker"]]
        + [fraction(row["categories"][name][key]) for name in ("human", "vehicle") for key in ("hota", "idf1")]
        for row in load("tracks")["rows"]
    ]
    return Table(["detections", "tracker", "HOTA, people", "IDF1, people", "HOTA, vehicles", "IDF1, vehicles"], rows)


def thresholds() -> Table:
    """Every value that was tried: a row for each threshold and round, with the best of its values."""
    tried: dict[tuple[int, str], list[dict[str, Any]]] = {}
    for row in load("tracks")["choice"]["rounds"]:
        tried.setdefault((row["round"], row["changed"]), []).append(row)
    rows = []
    for (round_, name), group in tried.items():
        values = ", ".join(f"{row[name]:g}: {fraction(row['mean'])}" for row in group)
        rows.append([str(round_), SETTINGS[name], values])
    return Table(["round", "threshold", "value: mean of HOTA and IDF1"], rows)


def settings() -> Table:
    """The thresholds before and after the choice."""
    before, after = load("tracks")["choice"]["begin"], load("tracks")["settings"]
    return Table(["", *SETTINGS.values()], [_values("before", before), _values("chosen", after)])


def _values(name: str, values: dict[str, Any]) -> list[str]:
    return [name, *(f"{values[key]:g}" if key in values else MISSING for key in SETTINGS)]


def speed() -> Table:
    """Frames a second of the model, and with the tracker."""
    figures = load("tracks")
    tracker_ms = next(row["tracker_ms"] for row in figures["rows"] if row["detections"] == "model")
    cells = [f"{figures['model_ms']:.0f}", f"{tracker_ms:.1f}"]
    cells += [f"{figures['frames_a_second'][key]:.2f}" for key in ("model", "model and tracks")]
    return Table(["model ms", "tracker ms", "frames a second, model alone", "with tracks"], [cells])


TABLES: dict[str, Make] = {
    "tracks-model": partial(trackers, "model"),
    "tracks-truth": partial(trackers, "truth"),
    "tracks-categories": categories,
    "tracks-thresholds": thresholds,
    "tracks-settings": settings,
    "tracks-speed": speed,
}
