"""A label set in a file that a person wrote, TOML or JSON; every fault of it with its line. See docs/data.md."""

from __future__ import annotations

import json
import math
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from partwise.class_list import OUTSIDE, ClassEntry, label_set_of_classes
from partwise.errors import PartwiseError
from streeteval.files import expanded, text_of
from streeteval.labels import LabelSet

__all__ = ["LabelFileError", "read_label_file"]

_TOP_KEYS = ("name", "outside", "classes")
_KEYS = ("name", "id", "category", "has_instances", "colour", "ignored", "from", "mean_instance_px")


class LabelFileError(PartwiseError):
    """A label file that cannot be used: a line for each fault."""


def read_label_file(path: str | Path) -> LabelSet:
    """The label set in a TOML or JSON file.

    Args:
        path: Of the file.

    Returns:
        The label set, made by `label_set_of_classes`.

    Raises:
        LabelFileError: With every fault of the file, each with its line.
        PartwiseError: If there is no such file, or it is neither TOML nor JSON.
    """
    path = expanded(path)
    try:
        text = text_of(path.read_bytes()).replace("\r\n", "\n")
        content = json.loads(text) if path.suffix.lower() == ".json" else tomllib.loads(text)
    except OSError as error:
        raise PartwiseError(f"{path}: {(error.strerror or str(error)).lower()}: give a label file") from None
    except (ValueError, RecursionError) as error:  # ValueError: also what is no UTF-8
        form = "JSON" if path.suffix.lower() == ".json" else "TOML"
        raise PartwiseError(f"{path}: not {form} ({error}): correct it") from None
    reader = _Reader(str(path), text)
    classes = reader.classes(content)
    if reader.faults:
        raise LabelFileError("\n".join(text for _, text in sorted(reader.faults, key=lambda fault: fault[0])))
    name, outside = str(content.get("name", path.stem)), content.get("outside", OUTSIDE[0])
    return label_set_of_classes(name, [_entry(row) for row in classes], outside)


@dataclass
class _Reader:
    """Checks the content of a label file and keeps what is wrong with it."""

    where: str
    text: str
    faults: list[tuple[int, str]] = field(default_factory=list)
    _classes_in_text: int = 0

    def fault(self, number: int | None, key: str, problem: str) -> None:
        """Keep a fault of class `number` (None: of the file as a whole)."""
        line = self._line(number, key)
        at = f"{self.where}, line {line}" if line else self.where
        self.faults.append((line, f"{at}: {problem}"))

    def _line(self, number: int | None, key: str) -> int:
        """The line of a key in the file; 0 if it is not found."""
        lines = self.text.split("\n")
        starts = [i for i, line in enumerate(lines) if re.match(r"\s*\[\[\s*classes\s*\]\]", line)]
        if number is None:
            first, last = 0, starts[0] if starts else len(lines)
        elif number < len(starts):
            first, last = starts[number], [*starts, len(lines)][number + 1]
        else:
            first, last = self._json_lines(number, lines)
        pattern = re.compile(rf"""["']?\b{re.escape(key)}\b["']?\s*[=:]""")
        found = next((i for i in range(first, last) if pattern.search(lines[i])), first if number is not None else None)
        return 0 if found is None else found + 1

    def _json_lines(self, number: int, lines: list[str]) -> tuple[int, int]:
        """Where class `number` begins and ends: each has one name."""
        starts = [i for i, line in enumerate(lines) for _ in re.finditer(r'"name"\s*:|\bname\s*=', line)]
        top = len(starts) - self._classes_in_text
        starts = starts[max(top, 0) :]
        if number >= len(starts):
            return 0, len(lines)
        return starts[number], [*starts, len(lines)][number + 1]

    def classes(self, content: Any) -> list[Mapping[str, Any]]:
        """The classes of the file; those with a fault are of no use."""
        if not isinstance(content, Mapping) or not isinstance(content.get("classes"), list) or not content["classes"]:
            self.fault(None, "classes", "it has no classes: list them as [[classes]] with a name and an id each")
            return []
        for key in content:
            if key not in _TOP_KEYS:
                self.fault(None, key, f"unknown key {key!r}: give {', '.join(_TOP_KEYS)}")
        rows = content["classes"]
        self._classes_in_text = len(rows)
        for number, row in enumerate(rows):
            if not isinstance(row, Mapping):
                self.fault(number, "name", f"class {number + 1} is {row!r}: give a table with a name and an id")
                continue
            for key, problem in _row_faults(row):
                self.fault(number, key, problem)
        usable = [row for row in rows if isinstance(row, Mapping)]
        for number, key, problem in _doubles(rows):
            self.fault(number, key, problem)
        self._check_outside(content.get("outside", OUTSIDE[0]), rows)
        if not any(row.get("has_instances", True) and not row.get("ignored", False) for row in usable):
            self.fault(None, "classes", "no class has instances: set has_instances = true for at least one")
        return usable

    def _check_outside(self, outside: Any, rows: list[Any]) -> None:
        """See that pixels in no instance have a class without instances."""
        named = [n for n, row in enumerate(rows) if isinstance(row, Mapping) and row.get("name") == outside]
        if outside not in OUTSIDE and not named:
            self.fault(None, "outside", f"outside is {outside!r}: give {' or '.join(OUTSIDE)} or one of the classes")
        for number in named:
            if rows[number].get("has_instances", True) is not False:
                problem = f"class {outside!r} is that of pixels in no instance: set has_instances = false"
                self.fault(number, "has_instances", problem)


def _row_faults(row: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """(key, what is wrong with it) of one class."""
    name = row.get("name")
    called = f"class {name!r}" if isinstance(name, str) else "a class"
    for key in row:
        if key not in _KEYS:
            yield key, f"{called}: unknown key {key!r}: give {', '.join(_KEYS)}"
    if not isinstance(name, str) or not name.strip():
        yield "name", f"{called} has no name: give it one"
    if not _is_id(row.get("id")):
        yield "id", f"{called}: id is {row.get('id')!r}: give a whole number from 0 to 2**63 - 1"
    for key in ("has_instances", "ignored"):
        if not isinstance(row.get(key, True), bool):
            yield key, f"{called}: {key} is {row[key]!r}: give true or false"
    if "colour" in row and _colour(row["colour"]) is None:
        yield "colour", f'{called}: colour is {row["colour"]!r}: give [red, green, blue] in 0..255, or "#rrggbb"'
    if not isinstance(row.get("category", ""), str):
        yield "category", f"{called}: category is {row['category']!r}: give a text"
    sources = row.get("from", [])
    if not isinstance(sources, list) or not all(isinstance(one, str) or _is_id(one) for one in sources):
        yield "from", f"{called}: from is {sources!r}: give a list of names or ids in the data"
    mean = row.get("mean_instance_px", 1.0)
    if isinstance(mean, bool) or not isinstance(mean, int | float) or not 0 < mean < math.inf:
        yield "mean_instance_px", f"{called}: mean_instance_px is {mean!r}: give pixels above 0"


def _is_id(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 63


def _doubles(rows: list[Any]) -> Iterator[tuple[int, str, str]]:
    """(place, key, what is wrong) of every name, id, colour and source that an earlier class has, too."""
    owners: dict[tuple[str, Any], int] = {}
    for number, row in enumerate(rows):
        if not isinstance(row, Mapping):
            continue
        sources = row.get("from", ())
        values = [(key, row.get(key)) for key in ("name", "id")] + [("colour", _colour(row.get("colour")))]
        values += [("from", source) for source in (sources if isinstance(sources, list) else ())]
        for key, value in values:
            owner = number if value is None else owners.setdefault((key, str(value)), number)
            if owner != number:
                called, other = (repr(rows[one].get("name")) for one in (number, owner))
                yield number, key, f"class {called}: {key} {_shown(value)} is that of class {other}, too: change one"
    yield from _sources_of_two(rows)


def _sources_of_two(rows: list[Any]) -> Iterator[tuple[int, str, str]]:
    """(place, key, what is wrong) of every source that is the name or the id of another class."""
    tables = [(number, row) for number, row in enumerate(rows) if isinstance(row, Mapping)]
    owners = {str(row.get(key)): number for number, row in tables for key in ("id", "name")}
    for number, row in tables:
        for source in row["from"] if isinstance(row.get("from"), list) else ():
            owner = owners.get(str(source), number)
            if owner != number:
                what = f"class {row.get('name')!r}: {source!r} in from is the class {rows[owner].get('name')!r}"
                yield number, "from", f"{what} itself: remove it from one of the two"


def _shown(value: Any) -> str:
    return str(list(value)) if isinstance(value, tuple) else repr(value)


def _colour(value: Any) -> tuple[int, int, int] | None:
    """RGB of a list or of "#rrggbb"; None for anything else."""
    if isinstance(value, str) and re.fullmatch(r"#[0-9a-fA-F]{6}", value):
        value = list(bytes.fromhex(value[1:]))
    if isinstance(value, list) and len(value) == 3 and all(_is_id(one) and one <= 255 for one in value):
        red, green, blue = value
        return red, green, blue
    return None


def _entry(row: Mapping[str, Any]) -> ClassEntry:
    """A class without a fault."""
    return ClassEntry(
        row["name"],
        row["id"],
        row.get("category", ""),
        has_instances=row.get("has_instances", True),
        colour=_colour(row["colour"]) if "colour" in row else None,
        ignored=row.get("ignored", False),
        sources=tuple(row.get("from", ())),
        mean_instance_px=row.get("mean_instance_px"),
    )
