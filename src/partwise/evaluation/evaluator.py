"""`CityscapesEvaluator`: the one object behind the command line, the folder of result files and the training loop."""

from __future__ import annotations

import zlib
from dataclasses import asdict, dataclass, field

import numpy as np

from partwise.errors import PartwiseError
from partwise.evaluation.bootstrap import LEVEL, Counted, draw_images, drawn_scores, interval
from partwise.evaluation.boundary import BoundaryPairs
from partwise.evaluation.coco import coco_matches, coco_scores
from partwise.evaluation.distance import truth_distances
from partwise.evaluation.instance import SIDE_BOUNDS_PX, average_recall, class_table, instance_scores, size_ranges
from partwise.evaluation.matching import EVERYWHERE, WITHIN_50_M, WITHIN_100_M, ImageMatches, match, overlaps
from partwise.evaluation.panoptic import count_segments, panoptic_scores
from partwise.evaluation.pixel import count_pixels, mean_of_valid, pixel_scores, thing_category_names
from partwise.files import json_ready, readable
from partwise.instances import Instances
from partwise.labels import CITYSCAPES, LabelSet
from partwise.scene import Scene


@dataclass(frozen=True)
class Settings:
    """What is computed beside the official scores; all but the bounds costs time.

    side_bounds_px   between the sizes of instances that AP is given for, see `size_ranges`
    boundary    boundary AP
    panoptic    panoptic quality; needs instances and a semantic map of every image
    coco        COCO AP by pycocotools
    draws       bootstrap draws for an interval of every headline figure; 0 for none
    seed        of the draws
    """

    side_bounds_px: tuple[int, ...] = SIDE_BOUNDS_PX
    boundary: bool = False
    panoptic: bool = False
    coco: bool = False
    draws: int = 0
    seed: int = 0


@dataclass(frozen=True)
class ImageRecord:
    """What is kept of one image; a part that was not asked for is None or {}.

    truth_crc32   of the truth's two maps, so that results on different truths are not compared
    pixels        (S,) `PixelCounts.flat()`
    matches       by the name of the criterion: "all", and "100m" and "50m" where depth was given
    segments      (C, 4) of panoptic.py
    coco          of coco.py
    """

    truth_crc32: int
    pixels: np.ndarray | None = None
    matches: dict[str, ImageMatches] = field(default_factory=dict)
    segments: np.ndarray | None = None
    coco: list | None = None

    @property
    def kinds(self) -> tuple[str, ...]:
        """What can be scored with it."""
        return ("pixels",) * (self.pixels is not None) + tuple(f"instances ({name})" for name in self.matches)


class CityscapesEvaluator:
    """Streaming Cityscapes scores: `update` once an image, `merge` what other processes counted, `compute`.

    Keeps a few numbers for each prediction and instance of the truth, about 1 kB an image for the pixel scores, and no
    pixel. Equal to cityscapesScripts 2.3.0; the order of the images and how they are split over processes change
    nothing. Settings are given by keyword: `CityscapesEvaluator(boundary=True, draws=1000)`.
    """

    def __init__(self, label_set: LabelSet = CITYSCAPES, **settings):
        self.label_set = label_set
        self.settings = Settings(**settings)
        self.records: dict[str, ImageRecord] = {}
        self._things = [label.id for label in label_set.things]
        self._sizes = size_ranges(self.settings.side_bounds_px)

    def __len__(self) -> int:
        return len(self.records)

    def fresh(self) -> CityscapesEvaluator:
        """An evaluator with the same settings and no image, for another process to fill."""
        return CityscapesEvaluator(self.label_set, **asdict(self.settings))

    def update(
        self,
        scene: Scene,
        instances: Instances | None = None,
        semantic_HW: np.ndarray | None = None,
        *,
        scores: np.ndarray | None = None,
        depth_HW: np.ndarray | None = None,
    ) -> None:
        """Add one image.

        instances     what was predicted, with ids of the label set as labels; None: no instance scores
        semantic_HW   predicted label ids (not train ids) at the truth's size; None: no pixel scores
        scores        (N,) float64 in place of `instances.scores` where float32 would tie confidences
        depth_HW      the truth's depth in metres, NaN where unknown (distance.py); None: no AP100m and AP50m

        Raises PartwiseError: an image twice, another size than the truth, an unknown id, or instances (semantic maps,
        depth) for some images and not for others.
        """
        name = readable(scene.name)  # as a JSON file holds it: results from a file and from a model are compared
        if name in self.records:
            raise PartwiseError(f"{scene.name}: scored twice: give every image once")
        if self.settings.panoptic and (instances is None or semantic_HW is None):
            raise PartwiseError(f"{scene.name}: panoptic quality needs instances and a semantic map: give both")
        pixels = None
        if semantic_HW is not None:
            semantic_HW = np.asarray(semantic_HW)
            try:
                counts = count_pixels(semantic_HW, scene.semantic_HW, scene.instance_ids_HW, self.label_set)
            except PartwiseError as error:
                raise PartwiseError(f"{scene.name}: {error}") from None
            pixels = counts.flat()
        record = ImageRecord(
            truth_crc32=_crc32(scene),
            pixels=pixels,
            matches={} if instances is None else self._matches(scene, instances, scores, depth_HW),
            segments=count_segments(scene, instances, semantic_HW) if self.settings.panoptic else None,
            coco=coco_matches(scene, instances) if self.settings.coco and instances is not None else None,
        )
        self._add(name, record)

    def _matches(self, scene: Scene, instances: Instances, scores, depth_HW) -> dict[str, ImageMatches]:
        found = overlaps(scene, instances, scores)
        pairs = BoundaryPairs(scene, instances, found) if self.settings.boundary else None
        matches = {EVERYWHERE.name: match(found, EVERYWHERE, self._things, boundary_iou=pairs)}
        if depth_HW is not None:
            if depth_HW.shape != scene.size:
                depth_size, size = ("x".join(map(str, reversed(one))) for one in (depth_HW.shape, scene.size))
                raise PartwiseError(
                    f"{scene.name}: its depth is {depth_size}, the truth {size}: give depth of the truth's size"
                )
            distances = truth_distances(found, scene.instance_ids_HW, depth_HW)
            for criterion in (WITHIN_100_M, WITHIN_50_M):
                matches[criterion.name] = match(found, criterion, self._things, distances)
        return matches

    def merge(self, other: CityscapesEvaluator) -> CityscapesEvaluator:
        """Take over another evaluator's images; returns self.

        Raises PartwiseError if both saw an image of the same name or they score different things.
        """
        if (self.settings, self.label_set.name) != (other.settings, other.label_set.name):
            raise PartwiseError(f"evaluators with different settings: {self.settings} and {other.settings}")
        for name, record in other.records.items():
            if name in self.records:
                raise PartwiseError(f"{name}: scored twice: give every image to one process only")
            self._add(name, record)
        return self

    def _add(self, name: str, record: ImageRecord) -> None:
        first = next(iter(self.records.values()), record)
        if first.kinds != record.kinds:
            raise PartwiseError(
                f"{name}: this image gives {', '.join(record.kinds) or 'nothing'} to score, those before it "
                f"{', '.join(first.kinds) or 'nothing'}: give the same for every image"
            )
        self.records[name] = record

    def sorted_records(self) -> list[ImageRecord]:
        """The records in the order of the images' names, on which every sum and draw below is taken."""
        return [self.records[name] for name in sorted(self.records)]

    def matches_of(self, criterion: str) -> list[ImageMatches] | None:
        """The matches of each image; None where there are none."""
        records = self.sorted_records()
        return [r.matches[criterion] for r in records] if records and criterion in records[0].matches else None

    def counted(self) -> Counted:
        """Everything that was counted, image by image in the order of `sorted_records`."""
        records = self.sorted_records()
        stacked = lambda name: np.stack([getattr(r, name) for r in records])
        has = lambda name: bool(records) and getattr(records[0], name) is not None
        within = {name: self.matches_of(name) for name in (WITHIN_100_M.name, WITHIN_50_M.name)}
        return Counted(
            label_set=self.label_set,
            pixels_NS=stacked("pixels") if has("pixels") else None,
            matches=self.matches_of(EVERYWHERE.name),
            boundary=self.settings.boundary,
            within={name: matches for name, matches in within.items() if matches is not None},
            segments_NC4=stacked("segments") if has("segments") else None,
            coco=[r.coco for r in records] if has("coco") else None,
        )

    def compute(self) -> dict:
        """All scores as fractions, in JSON's own types; None where a score has no value (a class without truth).

        {"images": int, "settings": {...}, "semantic": None or {...}, "instance": None or {...}, "panoptic": None or
        {...}, "intervals": None or {...}}; docs/evaluation.md defines every key.
        """
        counted = self.counted()
        return json_ready(
            {
                "images": len(self),
                "settings": asdict(self.settings),
                "semantic": None if counted.pixels_NS is None else self._semantic(counted.pixels_NS),
                "instance": None if counted.matches is None else self._instance(counted),
                "panoptic": None
                if counted.segments_NC4 is None
                else panoptic_scores(counted.segments_NC4.sum(axis=0), self.label_set),
                "intervals": self._intervals(counted) if len(self) and self.settings.draws else None,
            }
        )

    def _semantic(self, pixels_NS: np.ndarray) -> dict:
        scores = pixel_scores(pixels_NS.sum(axis=0), self.label_set)
        iiou = dict(zip([label.name for label in self.label_set.things], scores["iiou"], strict=True))
        category_iiou = dict(zip(thing_category_names(self.label_set), scores["category_iiou"], strict=True))
        return {
            **{key: scores[key] for key in ("iou_class", "iiou_class", "iou_category", "iiou_category")},
            "per_class": {
                label.name: {"iou": iou, "iiou": iiou.get(label.name)}
                for label, iou in zip(self.label_set.evaluated, scores["iou"], strict=True)
            },
            "per_category": {
                name: {"iou": iou, "iiou": category_iiou.get(name)}
                for name, iou in zip(self.label_set.categories, scores["category_iou"], strict=True)
            },
        }

    def _instance(self, counted: Counted) -> dict:
        matches, within = counted.matches, counted.within
        return {
            **self._aps(matches),
            "by_size": {name: self._aps(matches, sizes_px=(low, below)) for name, low, below in self._sizes},
            "ar": average_recall(matches),
            "boundary": self._boundary(matches) if counted.boundary else None,
            # None: needs the disparity and camera files.
            **{
                f"within_{of.name}": self._aps(within[of.name]) if of.name in within else None
                for of in (WITHIN_100_M, WITHIN_50_M)
            },
            "coco": None if counted.coco is None else coco_scores(counted.coco, self.label_set),
        }

    def _aps(self, matches: list[ImageMatches], **how) -> dict:
        return instance_scores({label.name: class_table(matches, label.id, **how) for label in self.label_set.things})

    def _boundary(self, matches: list[ImageMatches]) -> dict:
        on_truth = np.concatenate([m.boundary_iou for m in matches])
        return {**self._aps(matches, boundary=True), "mean_iou": float(mean_of_valid(on_truth))}

    def _intervals(self, counted: Counted) -> dict:
        weights_BN = draw_images(len(self), self.settings.draws, self.settings.seed)
        drawn = drawn_scores(counted, weights_BN)
        return {"level": LEVEL, "draws": self.settings.draws, **{key: interval(x) for key, x in drawn.items()}}


def _crc32(scene: Scene) -> int:
    """A fingerprint of the truth, from every fourth row of both maps: a changed object is seen, and it costs 1 ms."""
    crc = zlib.crc32(np.ascontiguousarray(scene.semantic_HW[::4]))
    return zlib.crc32(np.ascontiguousarray(scene.instance_ids_HW[::4], np.uint16), crc)
