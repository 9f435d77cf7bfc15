"""The page of a photo as one HTML file, with the explanations of some of its pixels in it. It needs no server.

Axes: H and W pixels.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from partwise.errors import PartwiseError
from partwise.files import atomic_write, require_replaceable, require_writable
from partwise.methods.asked import instance_at, require_inside
from partwise.segmenter import SHOWN_SCORE, Segmenter
from partwise.serve.forms import classes_json, explained_json, picture_of, result_json
from partwise.serve.limits import Limits
from partwise.serve.pages import SCRIPTS, static_text
from partwise.serve.views import Seen, see
from streeteval.files import json_ready

__all__ = ["GRID", "LARGEST_BYTES", "explain_in_file"]

GRID = (12, 24)  # rows and columns of explained pixels
LARGEST_BYTES = 12 << 20  # of all explanations; rows of the grid that do not fit are left out, and the page says so
PAGE_PX = 1280  # longest side of the picture
_LARGEST_INSTANCES = 60  # instances from the display threshold on whose middle is explained


def explain_in_file(
    segment: Segmenter,
    image_HW3: Any,
    path: Path,
    point: tuple[int, int] | None = None,
    *,
    name: str = "photo",
    model: str = "",
    overwrite: bool = False,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> dict[str, Any]:
    """Write a page that shows what was found in a photo, and why, as one file that loads nothing.

    Args:
        segment: The model.
        image_HW3: (H, W, 3) uint8 RGB.
        path: The file.
        point: (x, y) of the pixel whose explanation is shown at first; None for the middle of the instance with the
            highest score.
        name: What the page calls the photo.
        model: What the page calls the model; "" for the recipe that it was trained with.
        overwrite: Also replace a file that partwise did not write.
        progress: Called with the number of explained pixels, and the number of all that will be.

    Returns:
        The explanation of the pixel that is shown at first, as JSON of the page.

    Raises:
        PartwiseError: If the method cannot explain its decisions, the pixel lies outside the photo, nothing was found
            and no pixel is given, or the file cannot be written.
    """
    require_writable(path.parent)
    if not overwrite:
        require_replaceable(path)
    segment.require_explainable()
    seen = see(segment, image_HW3, name)
    if not seen.views:
        raise PartwiseError("explain: with several scales no single view decides: give one scale")
    if point is None:
        if len(seen.result) == 0:
            raise PartwiseError("nothing was found in this image: give the pixel to explain")
        point = seen.middle_of(0)
    require_inside(point, seen.result.size)
    pixels = [(*point, instance_at(seen.result.instances, point)), *_wanted(seen)]
    told: list[dict[str, Any]] = []
    size = 0
    for number, (x, y, instance) in enumerate(pixels, 1):
        explained = explained_json(seen.explain(x, y, instance), segment.method, short=number > 1) | {"pixel": [x, y]}
        size += len(json.dumps(explained))
        if size > LARGEST_BYTES and told:
            break
        told.append(explained)
        progress(number, len(pixels))
    content = _page(segment, seen, told, name, model, left_out=len(pixels) - len(told))
    with atomic_write(path, "w", overwrite=overwrite) as file:
        file.write(content)
    return told[0]


def _wanted(seen: Seen) -> Iterator[tuple[int, int, int]]:
    """Pixels that are explained, x, y, instance: the middle of each instance that is shown at first, and a grid."""
    for i in range(min(len(seen.result), _LARGEST_INSTANCES)):
        if seen.result.scores[i] >= SHOWN_SCORE:
            yield (*seen.middle_of(i), i)
    height, width = seen.result.size
    rows, columns = GRID
    for row in range(rows):
        for column in range(columns):
            point = int((column + 0.5) * width / columns), int((row + 0.5) * height / rows)
            yield (*point, instance_at(seen.result.instances, point))


def _page(segment: Segmenter, seen: Seen, told: list[dict[str, Any]], name: str, model: str, left_out: int) -> str:
    """The HTML with everything in it."""
    page = Limits(page_px=PAGE_PX).page_size(seen.result.size)
    image_HW3 = seen.result.image_HW3
    assert image_HW3 is not None
    picture = base64.b64encode(picture_of(image_HW3, page, quality=85)).decode("ascii")
    data = {
        "result": result_json(seen.result, page),
        "classes": classes_json(segment.method.label_set),
        "explanations": told,
        "included": _included(len(told), left_out),
        "picture": f"data:image/jpeg;base64,{picture}",
    }
    script = "\n".join(static_text(one) for one in (*SCRIPTS, "single.js"))
    style = static_text("page.css")
    kind = segment.info.method.get("kind", "")
    policy = (
        f"default-src 'none'; img-src data:; style-src '{_hash(style)}'; script-src '{_hash(script)}'; "
        "base-uri 'none'; form-action 'none'"
    )
    parts = {
        "policy": policy,
        "title": html.escape(f"{name}: what partwise found, and why"),
        "style": style,
        "icon": static_text("icon.svg").strip(),
        "model": html.escape(f"{model or segment.info.origin.get('recipe') or 'model'} · {kind}"),
        "name": html.escape(f"{name} · {seen.result.size[1]}×{seen.result.size[0]}"),
        # No "<" in the data: it could end the script element.
        "data": json.dumps(json_ready(data), separators=(",", ":"), allow_nan=False).replace("<", "\\u003c"),
        "script": script,
    }
    # In one pass: a name of a photo that looks like a place is not filled.
    return re.sub(r"\{\{(\w+)\}\}", lambda place: parts[place[1]], static_text("single.html"))


def _included(count: int, left_out: int) -> str:
    """What the page says is in the file, and what is not."""
    words = (
        f"This file has the explanations of {count} pixels: the pixel that was asked for, the middle of each instance "
        "that is shown at first, and a grid. A click shows the nearest one. Part maps are there for the first window "
        "of each pixel. "
    )
    if left_out:
        words += f"{left_out} pixels of the grid are left out, as the file would be too large. "
    return words + "partwise serve explains any pixel."


def _hash(text: str) -> str:
    """The hash of a script or a style in the form of a content security policy."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")
