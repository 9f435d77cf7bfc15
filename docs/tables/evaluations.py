"""Tables whose rows are evaluations (`partwise evaluate --json`) or comparisons (`partwise compare --json`).

The .toml files beside this one describe them:

    [NAME]
    say = ["model", "steps"]                # headings of the cells that are written by hand
    figures = ["AP", "car AP", "IoU class"] # headings of the cells that come from the JSON of the row
    rows = [
        { say = ["first", "1,300"], of = "trial_plain" },
        { say = ["B - A, 95 % interval", ""], of = "trial_ema_compare" },
    ]

A cell written by hand may quote a figure of any file: {speed:predict/0/mean/total_ms:.0f} is the value at that path of
results/speed.json, in Python's format. The format may be empty: {clicks:size:}. A row without `of` has such cells only.
`json = false` leaves the links out.
"""

from __future__ import annotations

import re
import tomllib
from functools import partial
from pathlib import Path
from typing import Any

from tables.table import MISSING, File, Make, Table, at, fraction, load, signed

PATHS = {
    "AP": "instance/ap",
    "AP50": "instance/ap50",
    "AR@10": "instance/ar/10",
    "AR@100": "instance/ar/100",
    "boundary AP": "instance/boundary/ap",
    "COCO AP": "instance/coco/ap",
    "PQ": "panoptic/pq",
    "IoU class": "semantic/iou_class",
    "iIoU class": "semantic/iiou_class",
    "IoU category": "semantic/iou_category",
    "iIoU category": "semantic/iiou_category",
    "precision": "shown/precision",
    "recall": "shown/recall",
}
MEAN = re.compile(r"COCO AP, mean of (.+)")  # of classes, as "Moto, Peaton and Vehiculo"
QUOTED = re.compile(r"\{([\w.]+):([^{}]+):([^{}:]*)\}")


def path_of(heading: str) -> str:
    """Where the figure under a heading stands in the JSON of an evaluation.

    >>> path_of("car AP"), path_of("AP50 <32 px"), path_of("truck IoU"), path_of("Moto COCO AP")
    ('instance/per_class/car/ap', 'instance/by_size/<32/ap50', 'semantic/per_class/truck/iou', 'coco/per_class/Moto')
    """
    if heading in PATHS:
        return PATHS[heading]
    if of_class := re.fullmatch(r"(.+) COCO AP", heading):
        return f"coco/per_class/{of_class[1]}"
    if size := re.fullmatch(r"(AP|AP50) (\S+) px", heading):
        return f"instance/by_size/{size[2]}/{size[1].lower()}"
    if of_class := re.fullmatch(r"(.+) (AP|AP50|IoU)", heading):
        part = "semantic" if of_class[2] == "IoU" else "instance"
        return f"{part}/per_class/{of_class[1]}/{of_class[2].lower()}"
    raise KeyError(f"no figure is called {heading}")


def difference_of(heading: str) -> str:
    """The name of the same figure in the JSON of a comparison.

    >>> difference_of("car AP"), difference_of("AP50 <32 px"), difference_of("IoU class")
    ('instance.ap car', 'instance.ap50 <32 px', 'semantic.iou_class')
    """
    part, *path = path_of(heading).split("/")
    if path[0] == "by_size":
        return f"{part}.{path[2]} {path[1]} px"
    if path[0] == "per_class":
        return f"{part}.{path[2]} {path[1]}"
    return ".".join([part, *path])


def cell(data: dict[str, Any], heading: str) -> str:
    """A figure of an evaluation, or a difference of a comparison with its interval."""
    if several := MEAN.fullmatch(heading):
        classes = re.split(", | and ", several[1])
        return fraction(sum(at(data, path_of(f"{name} COCO AP")) for name in classes) / len(classes))
    if "differences" not in data:
        return fraction(at(data, path_of(heading)))
    found = data["differences"].get(difference_of(heading))
    if found is None or found["difference"] is None:
        return MISSING
    return f"{signed(found['difference'])} ({signed(found['low'])} to {signed(found['high'])})"


def quote(text: str) -> str:
    """Text with every {file:path:format} replaced by the figure there.

    A figure is divided by a number where the path ends with one behind " / ", such as seconds of 100 images.

    Raises ValueError where a { is left over, such as that of {file:path} without the second colon.

    >>> quote("{clicks:size:}, {clicks:click_ms/median:.0f} ms")
    '1024x512, 72 ms'
    """

    def figure(found: re.Match) -> str:
        path, _, divisor = found[2].partition(" / ")
        value = at(load(found[1]), path)
        return format(value / float(divisor) if divisor else value, found[3])

    quoted = QUOTED.sub(figure, text)
    if "{" in quoted:
        raise ValueError(f"{text}: not of the form {{file:path:format}}; the format may be empty")
    return quoted


def make(spec: dict[str, Any]) -> Table:
    """The table that a section of a .toml file describes."""
    figures, linked = spec.get("figures", []), spec.get("json", True)
    rows = []
    for row in spec["rows"]:
        said = [quote(text) for text in row["say"]]
        data = load(row["of"]) if "of" in row else None
        found = [MISSING if data is None else cell(data, heading) for heading in figures]
        rows.append([*said, *found, *([File(row["of"]) if "of" in row else MISSING] if linked else [])])
    return Table([*spec["say"], *figures, *(["JSON"] if linked else [])], rows)


def _described() -> dict[str, Make]:
    tables: dict[str, Make] = {}
    for file in sorted(Path(__file__).parent.glob("*.toml")):
        for name, spec in tomllib.loads(file.read_text(encoding="utf-8")).items():
            if name in tables:
                raise ValueError(f"{file}: two tables are called {name}")
            tables[name] = partial(make, spec)
    return tables


TABLES = _described()
