"""Recognise files that partwise wrote by their content, so that no other file is replaced.

- A PNG has the text chunk Software = partwise (`PNG_TEXT`).
- JSON has the keys of its kind at the top (`JSON_KINDS`).
- The first line of metrics.jsonl is a JSON object whose first key is "step".
- A model is a safetensors file whose metadata name partwise, or an exported file whose description is at its end; a
  .bin file is a model if the .xml file beside it is one.
- A submission has lines "masks/NAME_0.png id score", and its first mask is a PNG of partwise.
- A page or a table begins with a meta element or a comment (`HTML_MARK`, `MARKDOWN_MARK`).

PNGs and pages of version 0.1 have no mark. Pictures of a prediction are recognised by the JSON beside them, if none of
the pictures has the mark; pages by their style sheet. Submissions and Markdown tables of version 0.1 are not
recognised.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from PIL.PngImagePlugin import PngInfo

__all__ = [
    "BENCH_ALARMS",
    "BENCH_CLICKS",
    "BENCH_EVALUATION",
    "BENCH_MODELS",
    "BENCH_NETWORKS",
    "BENCH_PEERS",
    "BENCH_ROBUSTNESS",
    "BENCH_RUNTIMES",
    "BENCH_SPEED",
    "BENCH_THROUGHPUT",
    "BENCH_TRACKS",
    "BENCH_VIEWS",
    "CEILING",
    "CHECK",
    "COCO_PREDICTIONS",
    "COMPARISON",
    "DESCRIPTION",
    "DIAGNOSIS",
    "EMPTY",
    "EVALUATION",
    "EXPLANATION",
    "HTML_MARK",
    "INT8",
    "JSON_KINDS",
    "MARK",
    "MARKDOWN_MARK",
    "METRICS",
    "MODEL",
    "PAGE",
    "PICTURE",
    "PICTURES_OF_PREDICTION",
    "PNG_TEXT",
    "PREDICTION",
    "PRESENCE",
    "RECHECK",
    "RECORD",
    "RESULT_FAULTS",
    "RUN",
    "STUDY",
    "SUBMISSION",
    "TABLE",
    "is_marked_picture",
    "json_kind",
    "kind_of",
]

MARK = "partwise"
PNG_TEXT = PngInfo()  # for the argument `pnginfo` of Pillow; text chunks come before the pixels
PNG_TEXT.add_text("Software", MARK)
HTML_MARK, MARKDOWN_MARK = '<meta name="generator" content="partwise">', "<!-- written by partwise -->"
EMPTY = "empty"  # the kind of a file in which nothing can be lost
PICTURE, MODEL, SUBMISSION, PAGE, TABLE = "picture", "model", "submission", "page", "table"
METRICS, PRESENCE = "metrics", "presence"
PREDICTION, EXPLANATION, EVALUATION, COMPARISON = "prediction", "explanation", "evaluation", "comparison"
CEILING, CHECK, DIAGNOSIS, RUN, STUDY, RECORD = "ceiling", "check", "diagnosis", "run", "study", "record"
COCO_PREDICTIONS = "predictions in COCO form"
TRIAL, RECHECK = "trial", "study recheck"
RESULT_FAULTS = "faults of result files"
DESCRIPTION = "description of a model"
BENCH_SPEED, BENCH_EVALUATION = "bench speed", "bench evaluation"
BENCH_MODELS, BENCH_PEERS, BENCH_VIEWS = "bench models", "bench baselines", "bench views"
BENCH_NETWORKS, BENCH_THROUGHPUT, BENCH_CLICKS = "bench networks", "bench throughput", "bench clicks"
BENCH_TRACKS, BENCH_ROBUSTNESS, BENCH_ALARMS = "bench tracks", "bench robustness", "bench alarms"
BENCH_RUNTIMES, INT8 = "bench runtimes", "figures of a quantised model"
JSON_KINDS = {  # kind -> keys at the top that every file of this kind has
    COCO_PREDICTIONS: {"partwise", "images", "categories", "annotations"},
    PREDICTION: {"name", "label_set", "image", "origin", "instances"},
    EXPLANATION: {"x", "y", "instance", "semantic", "seen_size"},
    EVALUATION: {"images", "settings", "semantic", "instance"},
    COMPARISON: {"a", "b", "images", "draws", "level", "differences"},
    CEILING: {"circumstances", "images", "seconds", "rows"},
    CHECK: {"ok", "root", "splits", "faults", "warnings"},
    RESULT_FAULTS: {"ok", "root", "faults"},  # comes after CHECK, which also has these keys
    DESCRIPTION: {"model", "method", "label_set", "origin"},
    DIAGNOSIS: {"subject", "healthy", "faults", "warnings", "results"},
    RUN: {"recipe", "origin", "machine"},
    STUDY: {"command", "data", "criterion", "verdicts", "variants"},
    RECHECK: {"command", "strict_rule", "rechecked"},
    TRIAL: {"trial", "seed", "settings", "looks", "figures"},
    RECORD: {"name", "group", "recipe", "about", "loss_first", "loss_last", "untrained_scores"},
    BENCH_SPEED: {"machine", "size", "predict"},
    BENCH_EVALUATION: {"machine", "images", "predictions an image", "in memory, seconds an image"},
    BENCH_MODELS: {"machine", "data", "frames", "models"},
    BENCH_NETWORKS: {"machine", "size", "networks"},
    BENCH_THROUGHPUT: {"machine", "model", "stages", "processes", "cost"},
    BENCH_CLICKS: {"machine", "size", "clicks", "click_ms"},
    BENCH_RUNTIMES: {"machine", "model", "size", "runtimes"},
    INT8: {"data", "frames", "calibration_frames", "weight_bits", "processor", "fp32", "int8"},
    BENCH_VIEWS: {"machine", "model", "data", "frames", "rows", "means"},
    BENCH_ALARMS: {"machine", "data", "parts", "alarms"},
    BENCH_ROBUSTNESS: {"machine", "data", "frames", "robustness"},
    BENCH_TRACKS: {"machine", "sequences", "settings", "rows", "frames_a_second"},
    BENCH_PEERS: {"machine", "contest", "results", "seeds", "differences"},
}
PICTURES_OF_PREDICTION = ("_overlay.png", "_instanceIds.png", "_labelIds.png")
_EXPLAINED = "_explained.png"
_FIGURE = re.compile(r"\d\d_.*\.png")  # name of a figure of a study
_HEAD_BYTES = 4096
_TAIL_BYTES = 1 << 20  # holds the description at the end of an exported file
_EXPORTED = b"partwise_format"  # the name of its format in this description
_LARGEST_BYTES = 1 << 28  # a larger JSON file is not read; partwise writes none
_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_OLD_PAGE = b"--warn-paper: #fdf3e0"  # in the style sheet of version 0.1
_METRICS = b'{"step": '
_PRESENCE = re.compile(rb"\x93NUMPY.*'descr': '\|b1'.*, 256\)", re.DOTALL)


def kind_of(path: Path) -> str | None:
    """Find the kind of a file that partwise wrote.

    Args:
        path: The file.

    Returns:
        A kind such as PREDICTION or PICTURE; EMPTY for an empty file; None for a file that partwise did not write, or
        that cannot be read.
    """
    head = _start_of(path, _HEAD_BYTES)
    if head is None:
        return None
    if not head:
        return EMPTY
    if head.startswith(_PNG_SIGNATURE):
        return PICTURE if _has_mark(head) or _is_old_picture(path) else None
    if head.startswith(b"masks/"):
        return SUBMISSION if _is_submission(path) else None
    if head.lower().startswith(b"<!doctype html"):
        return PAGE if HTML_MARK.encode() in head or _OLD_PAGE in head else None
    if head.startswith(MARKDOWN_MARK.encode()):
        return TABLE
    if _PRESENCE.match(head[:256]):
        return PRESENCE
    if head.startswith(b"{"):
        return METRICS if head.startswith(_METRICS) else json_kind(_json(path))
    return MODEL if _is_model(path, head) or _is_exported(path) else None


def json_kind(value: object) -> str | None:
    """Find which of JSON_KINDS a value is; None for any other value."""
    if not isinstance(value, dict):
        return None
    return next((kind for kind, keys in JSON_KINDS.items() if keys <= value.keys()), None)


def is_marked_picture(path: Path) -> bool:
    """Whether a file is a PNG that this version of partwise wrote."""
    head = _start_of(path, _HEAD_BYTES)
    return head is not None and head.startswith(_PNG_SIGNATURE) and _has_mark(head)


def _start_of(path: Path, size: int) -> bytes | None:
    """Read the first bytes of a file; None if it cannot be read, or is a pipe, which might block."""
    try:
        if not path.is_file():
            return None
        with path.open("rb") as file:
            return file.read(size)
    except OSError:
        return None


def _has_mark(head: bytes) -> bool:
    """Whether a PNG has the text chunk of partwise before its pixels."""
    return f"tEXtSoftware\0{MARK}".encode() in head.partition(b"IDAT")[0]


def _is_old_picture(path: Path) -> bool:
    """Whether version 0.1 wrote a PNG: then the JSON of the same prediction lies beside it."""
    if path.parent.name == "figures" and _FIGURE.fullmatch(path.name):
        return json_kind(_json(path.parent.parent / "study.json")) == STUDY
    if path.name.endswith(_EXPLAINED):
        return json_kind(_json(path.with_suffix(".json"))) == EXPLANATION
    end = next((end for end in PICTURES_OF_PREDICTION if path.name.endswith(end)), None)
    if end is None:
        return False
    name = path.name.removesuffix(end)
    if any(is_marked_picture(path.with_name(name + other)) for other in PICTURES_OF_PREDICTION):
        return False  # this version wrote the other pictures, and another program wrote this one
    return json_kind(_json(path.with_name(f"{name}.json"))) == PREDICTION


def _is_submission(path: Path) -> bool:
    """Whether the lines are those of `evaluation.submission.write_submission`, and partwise wrote the first mask."""
    text = (_start_of(path, _LARGEST_BYTES) or b"").decode("utf-8", "replace")
    name = re.escape(path.name.removesuffix("_pred.txt"))
    lines = text.removesuffix("\n").split("\n")
    ours = all(re.fullmatch(rf"masks/{name}_{i}\.png \d+ [-+.e\d]+", line) for i, line in enumerate(lines))
    return ours and is_marked_picture(path.parent / lines[0].split(" ")[0])


def _is_model(path: Path, head: bytes) -> bool:
    """Whether the metadata of a safetensors file say that partwise wrote it."""
    size = int.from_bytes(head[:8], "little")
    if head[8:9] != b"{" or size > _LARGEST_BYTES:
        return False
    try:
        metadata = json.loads((_start_of(path, 8 + size) or b"")[8:]).get("__metadata__", {})
    except (ValueError, RecursionError):
        return False
    return str(metadata.get("format", "")).startswith(f"{MARK}-")


def _is_exported(path: Path) -> bool:
    """Whether a file is an ONNX file or an OpenVINO model that partwise wrote, or the weights of such a model."""
    described = path.with_suffix(".xml") if path.suffix == ".bin" else path
    if described.suffix not in (".onnx", ".xml"):
        return False
    try:
        with described.open("rb") as file:
            file.seek(max(0, described.stat().st_size - _TAIL_BYTES))
            return _EXPORTED in file.read()
    except OSError:
        return False


def _json(path: Path) -> Any:
    """Read a JSON file; None if it is not JSON, or larger than any file that partwise writes."""
    content = _start_of(path, _LARGEST_BYTES)
    try:
        return None if content is None else json.loads(content)
    except (ValueError, RecursionError):
        return None
