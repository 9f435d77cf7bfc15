"""Tables of `partwise ceilings` (ceilings.json) and `partwise ceiling` (ceiling_*.json)."""

from __future__ import annotations

from typing import Any

from tables.table import MISSING, Make, Table, fraction, load, signed

SIDES = ("<32", "32-64", "64-128", "128-256", ">=256")
CLASSES = ("person", "rider", "car", "truck", "bus", "train", "motorcycle", "bicycle")
STAGES = {  # rows of the JSON: words of the page
    "as it is": "the model as it is",
    "true semantic": "true semantic map",
    "true semantic at outlines": "true semantic map within 2 px of outlines",
    "true semantic elsewhere": "true semantic map everywhere else",
    "true objectness": "true objectness",
    "true parts": "true part maps",
    "true outlines": "true masks of what is found",
    "all true": "all outputs true",
    "all true, true outlines": "all outputs true, true masks",
}


def all_classes() -> Table:
    """Settings that know all classes: AP of the assembled masks, and after the cut by the true semantic map."""
    rows = [
        [_setting(row), fraction(row["plain"]["ap"]), fraction(row["cut"]["ap"]), *_sides(row["cut"]["by_size"])]
        for row in load("ceilings")["rows"]
        if row["cut"]
    ]
    return Table(["setting", "plain AP", "cut AP", *(f"{side} px" for side in SIDES)], rows)


def cars() -> Table:
    """AP of cars of every setting; by size after the cut, and without it where a method has none."""
    rows = []
    for row in load("ceilings")["rows"]:
        last = row["cut"] or row["plain"]
        cut = fraction(row["cut"]["car"]) if row["cut"] else MISSING
        rows.append([_setting(row), fraction(row["plain"]["car"]), cut, *_sides(last["car_by_size"])])
    return Table(["setting", "plain car AP", "cut car AP", *(f"{side} px" for side in SIDES)], rows)


def representations() -> Table:
    """Ceilings of methods that are not part maps; the methods of cars alone have car AP alone."""
    centres, colouring = (load(name)["rows"][0] for name in ("ceiling_centres", "ceiling_ordering_colouring"))
    rows = [
        ["`centres`", "all", fraction(centres["ap"]), *_sides(_all_by_size(centres))],
        ["`centres`", "car", fraction(_car(centres)), *_sides(_car_by_size(centres))],
        ["`ordering_colouring`", "car", fraction(_car(colouring)), *_sides(_car_by_size(colouring))],
    ]
    return Table(["method", "classes", "AP", *(f"{side} px" for side in SIDES)], rows)


def stages() -> Table:
    """AP of the bundled model with one output replaced by the true one."""
    found = load("ceiling_streets")["rows"]
    rows = []
    for row in found:
        gain = signed(row["ap"] - found[0]["ap"]) if row is not found[0] else MISSING
        scores = [fraction(row["ap"]), fraction(row["ap50"])]
        rows.append([STAGES[row["name"]], *scores, *_sides(_all_by_size(row)), gain])
    return Table(["outputs", "AP", "AP50", *(f"{side} px" for side in SIDES), "gain"], rows)


def stages_by_class() -> Table:
    """The same, class by class."""
    rows = [
        [STAGES[row["name"]], *(fraction(row["per_class"][name]["ap"]) for name in CLASSES)]
        for row in load("ceiling_streets")["rows"]
    ]
    return Table(["outputs", *CLASSES], rows)


def stages_by_setting() -> Table:
    """AP of the bundled model under other settings of its decoder."""
    names = ("as it is", "true semantic", "all true", "all true, true outlines")
    settings = {
        "as the model is: `sharpen=0.15`, `scale=1.25`": "ceiling_streets",
        "`method.decode.sharpen=0.25`": "ceiling_streets_sharpen",
        "`method.decode.scale=1`": "ceiling_streets_scale_1",
    }
    rows = []
    for setting, file in settings.items():
        by_name = {row["name"]: row["ap"] for row in load(file)["rows"]}
        rows.append([setting, *(fraction(by_name[name]) for name in names)])
    return Table(["setting", *(STAGES[name] for name in names)], rows)


def _setting(row: dict[str, Any]) -> str:
    return f"{row['group']}: {row['name']}"


def _sides(by_size: dict[str, float | None]) -> list[str]:
    return [fraction(by_size[side]) for side in SIDES]


def _all_by_size(row: dict[str, Any]) -> dict[str, float | None]:
    return {side: row["by_size"][side]["ap"] for side in SIDES}


def _car(row: dict[str, Any]) -> float | None:
    return row["per_class"]["car"]["ap"]


def _car_by_size(row: dict[str, Any]) -> dict[str, float | None]:
    return {side: row["by_size"][side]["per_class"]["car"]["ap"] for side in SIDES}


TABLES: dict[str, Make] = {
    "ceilings-all-classes": all_classes,
    "ceilings-cars": cars,
    "ceilings-representations": representations,
    "stages": stages,
    "stages-by-class": stages_by_class,
    "stages-by-setting": stages_by_setting,
}
