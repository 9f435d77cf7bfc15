"""Every fault of a data set, what is odd about it, and how large and how many its instances are."""

import os
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field

import numpy as np

from partwise.data.dataset import summary
from partwise.data.duplicates import Photos, shared_photos
from partwise.data.frame import FaultyDataError, FrameContent
from partwise.data.source import DataSource
from partwise.errors import PartwiseError
from streeteval.labels import INSTANCE_FACTOR, LabelSet
from streeteval.reading.faults import Fault, counted, fault_of_error, implied_ids
from streeteval.rle import segments, value_counts

# Longest side of an instance's box in pixels: below 16; from 16 to below 32; ...; 128 to 256; above 256.
SIZE_BINS = ("<16", "16-32", "32-64", "64-128", "128-256", ">256")
_SIZE_EDGES = (16, 32, 64, 128, 257)
Progress = Callable[[str, int, int], None]  # the split, frames done, all frames
TINY_PX = 100  # cityscapesScripts, evalInstanceLevelSemanticLabeling: minRegionSizes


@dataclass
class ClassCount:
    """How much of one class a split holds. `sizes` counts instances by SIZE_BINS."""

    pixels: int = 0
    frames: int = 0
    instances: int = 0
    group_pixels: int = 0
    tiny_instances: int = 0
    sizes: dict[str, int] = field(default_factory=lambda: dict.fromkeys(SIZE_BINS, 0))


@dataclass
class SplitReport:
    """One split: what it is in words, its frames, how many of each size "WxH", and the counts by class name."""

    about: str = field(default="", compare=False)
    frames: int = 0
    image_sizes: dict[str, int] = field(default_factory=dict)
    classes: dict[str, ClassCount] = field(default_factory=dict)


@dataclass
class CheckReport:
    """What `check` found. `faults` make a data set unfit; `warnings` are for a person to judge."""

    root: str
    splits: dict[str, SplitReport] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    warnings: list[Fault] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether there is no fault."""
        return not self.faults

    def to_json(self) -> dict:
        """Plain dicts, lists, strings and numbers, ready for json.dump."""
        return {"ok": self.ok, **asdict(self)}


def check(
    root: str | os.PathLike | DataSource,
    splits: Iterable[str] | None = None,
    progress: Progress | None = None,
) -> CheckReport:
    """Read every frame of the splits and report everything that is wrong or odd.

    A fault never ends the check.

    Args:
        root: Of the data set, or the data set with its options.
        splits: Names; all splits without them.
        progress: Is told the split, how many of its frames are done, and of how many.

    Returns:
        What was found.

    Raises:
        PartwiseError: If there is nothing to check: no data set at `root`, or a split that does not exist.
    """
    source = DataSource.of(root)
    known = source.splits()
    chosen = known if splits is None else [source.find_split(split) for split in dict.fromkeys(splits)]
    report = CheckReport(str(source))
    if not chosen:
        report.faults.append(Fault(str(source), "it has no split", "put its images into a folder for each split"))
    photos = {split: Photos() for split in chosen}
    for split in chosen:
        _check_split(source, split, report, photos[split], progress)
    report.warnings += shared_photos(photos)
    return report


def _check_split(
    source: DataSource, split: str, report: CheckReport, photos: Photos, progress: Progress | None
) -> None:
    counts = report.splits[split] = SplitReport()
    try:
        survey = source.survey(split)
    except FaultyDataError as error:
        report.faults += error.faults
        return
    except PartwiseError as error:
        report.faults.append(fault_of_error(str(source), error))
        return
    label_set = survey.label_set
    counts.about = f"{source.name}/{split}: {source.form}, {summary(label_set, survey.frames)}"
    counts.classes = {label.name: ClassCount() for label in label_set}
    report.faults += survey.faults
    report.warnings += survey.warnings
    for i in range(survey.frames):
        content = survey.content(i)
        report.faults += content.faults
        if not content.faults:
            report.warnings += content.warnings
            report.warnings += _frame_warnings(content, label_set)
            _count(counts, content, label_set)
            photos.add(content.image, content.arrays()[0])
        if progress:
            progress(split, i + 1, survey.frames)
    instances = sum(counts.classes[label.name].instances for label in label_set.things)
    counts.about += f", {counted(instances, 'instance')}"
    report.warnings += _split_warnings(survey.where, counts, label_set)


def _frame_warnings(content: FrameContent, label_set: LabelSet) -> list[Fault]:
    """Where the two truths of a frame disagree, and a frame in which nothing is evaluated."""
    warnings, (label_file, instance_file) = [], content.truth
    _, semantic_HW, instance_ids_HW = content.arrays()
    differ = implied_ids(instance_ids_HW) != semantic_HW
    if differ.any():
        ids, pixels = np.unique(instance_ids_HW[differ], return_counts=True)
        for value, count in zip(ids.tolist(), pixels.tolist(), strict=True):
            problem = f"labelIds name another class than instance {value}"
            if value < INSTANCE_FACTOR:
                problem = f"labelIds name another class than the bare id {value}"
            warnings.append(Fault(instance_file, problem, "make both files from the same polygons", value, count))
    evaluated = label_set.id_to_train_id[semantic_HW] < len(label_set.evaluated)
    if not evaluated.any():
        problem = "no pixel of an evaluated class"
        warnings.append(Fault(label_file, problem, "such a frame teaches and measures nothing"))
    return warnings


def _count(counts: SplitReport, content: FrameContent, label_set: LabelSet) -> None:
    """Add one frame without faults to the counts of its split."""
    _, semantic_HW, instance_ids_HW = content.arrays()
    height, width = semantic_HW.shape
    size = f"{width}x{height}"
    counts.frames += 1
    counts.image_sizes[size] = counts.image_sizes.get(size, 0) + 1
    for id_, pixels in zip(*(column.tolist() for column in value_counts(semantic_HW)), strict=True):
        count = counts.classes[label_set.by_id[id_].name]
        count.pixels += pixels
        count.frames += 1
    ids, pixels_by_instance, boxes = segments(instance_ids_HW)
    sides = np.maximum(boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1])
    bins = np.searchsorted(_SIZE_EDGES, sides, side="right")
    for value, pixels, bin_ in zip(ids.tolist(), pixels_by_instance.tolist(), bins.tolist(), strict=True):
        label = label_set.by_id[value if value < INSTANCE_FACTOR else value // INSTANCE_FACTOR]
        count = counts.classes[label.name]
        if value >= INSTANCE_FACTOR:
            count.instances += 1
            count.tiny_instances += pixels < TINY_PX
            count.sizes[SIZE_BINS[bin_]] += 1
        elif label.has_instances:
            count.group_pixels += pixels


def _split_warnings(where: str, counts: SplitReport, label_set: LabelSet) -> list[Fault]:
    if not counts.frames:
        return []
    warnings = []
    for label in label_set.evaluated:
        count = counts.classes[label.name]
        if not count.pixels:
            remedy = "it cannot be learnt or measured on this split"
            warnings.append(Fault(where, f"the class {label.name!r} never appears", remedy, label.id, 0))
        if count.tiny_instances:
            problem = (
                f"{count.tiny_instances} of {count.instances} instances of {label.name!r} are below {TINY_PX} pixels"
            )
            warnings.append(Fault(where, problem, "the evaluation leaves them out", label.id))
    if not any(counts.classes[label.name].instances for label in label_set.things):
        remedy = "each thing needs a value of its own (Cityscapes: instanceIds of id * 1000 + number)"
        warnings.append(Fault(where, "no instance of any evaluated class", remedy))
    return warnings
