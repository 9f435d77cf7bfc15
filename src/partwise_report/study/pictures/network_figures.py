"""The report's figures of its networks: semantic maps, ranks, parts of one car and all maps.

They are 2.3 (semantic maps), 2.6 and 2.7 (ranks), 2.8 (parts of one car) and 2.11 to 2.14 (maps).

Axes: K = k * k part maps, R maps of ranks, h and w cells of a map, H and W pixels.
"""

from __future__ import annotations

from pathlib import Path
from typing import cast

import matplotlib
import numpy as np
import torch
from PIL import Image

from partwise.methods import image_batch
from partwise.report.maps import draw_part_maps
from partwise.report.overlay import draw_overlay, draw_semantic
from partwise.report.palette import assign_colours
from partwise.report.panels import draw_contact_sheet, match_instances
from partwise.scene import Prediction, Scene
from partwise.training.checkpoint import load_model
from partwise_report.study.look import outputs_of
from partwise_report.study.windows import ObjectWindow, object_windows, objects_of, parts_across

SHOWN_RANKS = 3
FILL, WRONG = 0.7, (235, 235, 235)  # what fits no car is nearly white
Picture = tuple[str, np.ndarray]


def semantic_maps(model: Path, scenes: dict[str, Scene], test_HW3: np.ndarray | None = None) -> Picture:
    """Figure 2.3: photo, truth and inference of each scene, by the name that its caption gives.

    Args:
        model: The file of an FCN-8s.
        scenes: Name, such as "training" -> scene.
        test_HW3: (H, W, 3) uint8 RGB, an image without truth; None where there is none.
    """
    method, info = load_model(model)
    pictures, captions = [], []
    for name, scene in scenes.items():
        found = method.decode(outputs_of(method, scene), scene.size)[0].semantic_HW
        maps = (scene.semantic_HW, cast(np.ndarray, found))
        pictures += [scene.image_HW3, *(draw_semantic(map_HW, scene.label_set) for map_HW in maps)]
        captions += [f"{name} image", "truth", f"FCN-8s, step {info.origin['steps']}"]
    names = [f"a {name} image" for name in scenes]
    if test_HW3 is not None:
        found = method.predict(image_batch(test_HW3, next(method.parameters()).device))[0].semantic_HW
        pictures += [test_HW3, np.full_like(test_HW3, WRONG), draw_semantic(cast(np.ndarray, found))]
        captions += ["test image", "no truth is public", f"FCN-8s, step {info.origin['steps']}"]
        names.append("a test image")
    caption = f"Figure 2.3: inference on {', on '.join(names)}."
    return caption, draw_contact_sheet(pictures, captions, columns=3, cell_width_px=420)


def rank_maps(name: str, number: str, models: dict[str, Path], scene: Scene) -> Picture:
    """Figures 2.6 and 2.7: at each moment the rank of every pixel, and the maps of background and first ranks."""
    pictures, captions = [], []
    for moment, model in models.items():
        method, info = load_model(model)
        logits_RHW = outputs_of(method, scene)["ranks"][0].float()[:, : scene.size[0], : scene.size[1]]
        probability_RHW = torch.softmax(logits_RHW, dim=0).numpy()
        steps = info.origin["steps"]
        pictures += [scene.image_HW3, coloured_ranks(probability_RHW.argmax(axis=0), len(probability_RHW))]
        captions += [f"{moment}: step {steps}", "rank of each pixel"]
        for rank in range(SHOWN_RANKS + 1):
            shade = np.round(255 * probability_RHW[rank]).astype(np.uint8)
            pictures.append(np.repeat(shade[:, :, None], 3, axis=2))
            captions.append(f"rank {rank}" if rank else "background")
    caption = (
        f"Figure {number}: {name}, early and late. Black: background; a colour for each rank; maps: white is sure."
    )
    return caption, draw_contact_sheet(pictures, captions, columns=SHOWN_RANKS + 3, cell_width_px=256)


def told_apart(models: dict[str, Path], scene: Scene) -> Picture:
    """Not in the report: the cars that each network gives back, as many as there are, by the highest scores.

    models   the name of each -> its weights
    """
    truth = objects_of(scene)
    colours_N3 = assign_colours(truth)
    pictures = [draw_overlay(scene.image_HW3, Prediction(truth), text=False, fill=FILL, colours_N3=colours_N3)]
    captions = [f"truth: {len(truth)} cars"]
    for name, model in models.items():
        method, info = load_model(model)
        found = method.decode(outputs_of(method, scene), scene.size)[0].instances
        found = found[np.isin(found.labels, truth.labels)]
        found = found[np.argsort(-found.scores, kind="stable")[: len(truth)]]
        matched = match_instances(truth, found)
        own_N3 = np.where(matched[:, None] >= 0, colours_N3[matched] if len(truth) else WRONG, WRONG).astype(np.uint8)
        pictures.append(draw_overlay(scene.image_HW3, Prediction(found), text=False, fill=FILL, colours_N3=own_N3))
        captions.append(f"{name}, step {info.origin['steps']}: {(matched >= 0).sum()} right")
    caption = "Beyond the report: the cars that each order gives back, those at IoU .5 or more in the truth's colour."
    return caption, draw_contact_sheet(pictures, captions, columns=min(4, len(pictures)), cell_width_px=420)


def coloured_ranks(ranks_HW: np.ndarray, count: int) -> np.ndarray:
    """(H, W, 3) uint8: 0 black, the others from violet to red."""
    colours = np.round(255 * matplotlib.colormaps["turbo"](np.linspace(0.05, 1, count))[:, :3]).astype(np.uint8)
    colours[0] = 0
    return colours[ranks_HW]


def maps_of(name: str, number: str, moment: str, model: Path, scene: Scene) -> Picture | None:
    """Figures 2.11 to 2.14: the part maps and the objectness map of one image; None for a method without parts.

    number   what the caption begins with

    Where there are several sizes of windows, the one that most cars of the image belong to.
    """
    method, info = load_model(model)
    outputs = outputs_of(method, scene)
    if "parts" not in outputs:
        return None
    slots = [window.slot for window in object_windows(method, outputs, objects_of(scene))]
    slot = max(set(slots), key=slots.count) if slots else 0
    parts, objectness = (outputs[key][slot][0].float().numpy() for key in ("parts", "objectness"))
    steps = info.origin["steps"]
    title = f"{name}, {moment}: step {steps}"
    caption = f"{number}: part maps and objectness of {name}, {moment} (step {steps})."
    return caption, draw_part_maps(parts, objectness, parts_across(method), title=title, dpi=80)


def parts_of_one(name: str, model: Path, scene: Scene) -> Picture | None:
    """Figure 2.8: the parts in the window of the largest car that its window holds, and what they assemble to."""
    method, info = load_model(model)
    outputs, objects = outputs_of(method, scene), objects_of(scene)
    windows = list(object_windows(method, outputs, objects))
    if not windows:
        return None
    fits = [w for w in windows if objects.longest_sides[w.n] <= max(w.logits_ST.shape) * w.stride_px]
    window = max(fits or windows, key=lambda one: objects.areas[one.n])
    maps_Khw = outputs["parts"][window.slot][0].float().numpy()
    pieces = [_cut(one_hw, window) for one_hw in maps_Khw]
    limit = max(float(np.abs(np.stack([*pieces, window.logits_ST.numpy()])).max()), 1e-6)
    pictures = [_photo(scene, window), *(coloured(piece, limit) for piece in pieces)]
    pictures.append(coloured(window.logits_ST.numpy(), limit))
    k = parts_across(method)
    captions = ["photo", *(f"row {n // k}, column {n % k}" for n in range(k * k)), "assembled"]
    caption = f"Figure 2.8: the {k * k} part maps of {name} in the window of one car (step {info.origin['steps']})."
    pictures = [_square(picture) for picture in pictures]
    return caption, draw_contact_sheet(pictures, captions, columns=6, cell_width_px=160)


def coloured(logits_hw: np.ndarray, limit: float) -> np.ndarray:
    """(h, w, 3) uint8: red where the logit is above 0, blue below."""
    share = np.clip(logits_hw / limit, -1, 1) / 2 + 0.5
    return np.round(255 * matplotlib.colormaps["RdBu_r"](share)[:, :, :3]).astype(np.uint8)


def _cut(map_hw: np.ndarray, window: ObjectWindow) -> np.ndarray:
    """The cells of a map in a window, 0 outside the map."""
    rows, columns = window.logits_ST.shape
    y, x = (side // window.stride_px for side in window.corner)
    piece = np.zeros((rows, columns), np.float32)
    y0, x0, y1, x1 = max(y, 0), max(x, 0), min(y + rows, map_hw.shape[0]), min(x + columns, map_hw.shape[1])
    if y0 < y1 and x0 < x1:
        piece[y0 - y : y1 - y, x0 - x : x1 - x] = map_hw[y0:y1, x0:x1]
    return piece


def _photo(scene: Scene, window: ObjectWindow) -> np.ndarray:
    """The photo in a window, black outside the image."""
    height, width = (side * window.stride_px for side in window.logits_ST.shape)
    y, x = window.corner
    piece = np.zeros((height, width, 3), np.uint8)
    y0, x0, y1, x1 = max(y, 0), max(x, 0), min(y + height, scene.size[0]), min(x + width, scene.size[1])
    if y0 < y1 and x0 < x1:
        piece[y0 - y : y1 - y, x0 - x : x1 - x] = scene.image_HW3[y0:y1, x0:x1]
    return piece


def _square(picture: np.ndarray, side_px: int = 160) -> np.ndarray:
    return np.asarray(Image.fromarray(picture).resize((side_px, side_px), Image.Resampling.NEAREST))
