"""Command for ceilings: the AP that a method can reach, before any training, and what each stage of a model loses."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from partwise.cli.app import NO_DATA, Data, app, keep_and_show, writes
from partwise.data.source import DataSource
from partwise.errors import PartwiseError
from partwise.terminal import console, counting
from partwise.written import CEILING
from streeteval.errors import unknown_name

if TYPE_CHECKING:
    from partwise.data.dataset import Dataset
    from partwise.methods import Method
    from partwise.report.tables import Table
    from streeteval.labels import LabelSet
    from streeteval.scene import EvenlySpaced

__all__ = ["ceiling", "scenes_of", "show_ceiling"]

DECODE = "method.decode."


@app.command
def ceiling(
    what: str,
    /,
    *overrides: str,
    source: Data = NO_DATA,
    split: str = "val",
    frames: int = 0,
    json: Annotated[Path | None, writes(CEILING)] = None,
) -> None:
    """Score perfect outputs: the AP that the representation of a method allows, by size and class, without training.

    For a trained model it also shows what each stage loses: one output at a time is replaced by the perfect one.

    Args:
        what: A method (parts), a recipe (parts_light), or a model: the name of a model, a file, or a run folder.
        overrides: Fields of the method to change, such as method.k=5 or method.windows=[[8,21]]; for a model only
            fields of its decoder, such as method.decode.sharpen=0.
        source: The data set.
        split: Split of the data set.
        frames: Largest number of frames, evenly spaced; 0 for all.
        json: File for all figures.
    """
    from partwise.evaluation.ceiling import ceiling as measure
    from partwise.evaluation.model import require_same_classes
    from partwise.report.ceilings import ceiling_tables
    from partwise.training.config import method_to_dict
    from streeteval.scene import EvenlySpaced

    scenes = scenes_of(source, split, frames)
    method, trained, origin = _find(what, list(overrides), scenes.label_set)
    if trained:
        scenes = EvenlySpaced(source.open_as(split, method.label_set), frames)
        require_same_classes(method, scenes.label_set, f"{source}, split {split}")
    with counting("decoding") as progress:
        result = measure(method, scenes, trained=trained, progress=progress)
    circumstances = {
        "data": source.name,
        "split": split,
        "what": what if origin is None else origin,
        "overrides": list(overrides),
        "method": method_to_dict(method.config),
    }
    show_ceiling(ceiling_tables(result), result, json, circumstances, source.open_as(split, method.label_set))
    if not trained:
        console.print(
            "next: partwise ceiling MODEL with the same --data shows what each stage of a trained model loses"
        )


def show_ceiling(tables: list[Table], result: dict, json: Path | None, circumstances: dict, dataset: Dataset) -> None:
    """Print the tables, and write all figures with the circumstances of the measurement.

    Args:
        tables: What to print.
        result: What to write, with "images" and "seconds".
        json: The file; None for none.
        dataset: What was measured, which is described first.
        circumstances: How the figures were made, in JSON's own types.
        dataset: What the figures are of, printed in one line.
    """
    from partwise.data.dataset import described
    from partwise.report.text import table_text

    text = f"{described(dataset)}\n" + "".join(
        f"{table.title}\n{table_text(table)}\n{table.note}\n\n" for table in tables
    )
    text += f"{result['images']} images in {result['seconds']:.1f} s"
    keep_and_show(json, {"circumstances": circumstances} | result, lambda: console.print(text))


def scenes_of(source: DataSource, split: str, frames: int) -> EvenlySpaced:
    """Open evenly spaced frames of a split.

    Args:
        source: The data set.
        split: Split of the data set.
        frames: Largest number of frames; 0 for all.

    Raises:
        PartwiseError: If the split cannot be read or has no instances.
    """
    from partwise.evaluation.model import require_instances
    from streeteval.scene import EvenlySpaced

    if frames < 0:
        raise PartwiseError(f"--frames {frames}: give a number from 0 (all) on")
    scenes = EvenlySpaced(source.open(split), frames)
    require_instances(scenes, f"{source}, split {split}")
    return scenes


def _find(what: str, overrides: list[str], label_set: LabelSet) -> tuple[Method, bool, dict | None]:
    """Find a method, a recipe or a model by name; return the method, whether it is trained, and its origin."""
    from partwise.methods import METHODS, build_method
    from partwise.model_files import MODELS, find_model
    from partwise.model_info import require_torch_model
    from partwise.recipes import PIPELINES, RECIPES
    from partwise.segmenter import load
    from partwise.training.config import Recipe, assigned, override

    if what in RECIPES or what in METHODS:
        made = RECIPES[what]() if what in RECIPES else Recipe(what, f"the method {what}", METHODS[what].Config())
        return build_method(override(made, overrides).method, label_set), False, None
    if what in PIPELINES:
        raise PartwiseError(f"{what} is a pipeline: give one of its recipes: {', '.join(PIPELINES[what])}")
    if what not in MODELS and not Path(what).exists() and not Path(what).suffix and "/" not in what:
        raise unknown_name("method, recipe or model", what, [*METHODS, *RECIPES, *MODELS])
    path = find_model(what)
    require_torch_model(path, "has no stages to measure")
    changes = {}
    for text in overrides:
        if not text.startswith(DECODE):
            raise PartwiseError(f"{text}: a trained model's network cannot be changed: only {DECODE}* can")
        name, value = assigned(text.removeprefix(DECODE))
        changes[name] = value
    segment = load(what, device="cpu", decode=changes)  # its outputs are mixed with perfect ones, which are there
    return segment.method, True, segment.info.origin
