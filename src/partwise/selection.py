"""Which instances are kept: by their score, a class at a time if that is asked for, and by their class."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar

import numpy as np

from partwise.errors import PartwiseError
from streeteval.errors import unknown_name
from streeteval.given import number_in, shown
from streeteval.instances import Instances
from streeteval.labels import LabelSet

__all__ = ["OTHERS", "SHOWN_SCORE", "MinScore", "parse_classes", "parse_min_scores", "require_selection", "selected"]

SHOWN_SCORE = 0.1  # default display threshold; `partwise evaluate --metric shown` has its precision
OTHERS = "*"  # all classes that are not named
MinScore = float | Mapping[str, float]  # of all classes, or by name; "*" for those that are not named, 0 without it
Kept = TypeVar("Kept", bound=Instances)


def parse_min_scores(texts: Iterable[str]) -> dict[str, float]:
    """Texts such as "0.1" and "car=0.3" by the name of the class, a number alone under "*".

    Raises:
        PartwiseError: For what is no number in 0..1, and for a class that is given twice.

    >>> parse_min_scores(["car=0.3", "0.1"])
    {'car': 0.3, '*': 0.1}
    """
    scores: dict[str, float] = {}
    for text in texts:
        name, equals, value = (part.strip() for part in text.rpartition("="))
        try:
            score = float(value)
        except ValueError:
            score = np.nan
        if not 0 <= score <= 1 or (equals and not name):
            raise PartwiseError(f"min-score {text!r}: give a number in 0..1, or CLASS=NUMBER, such as car=0.3")
        if (name or OTHERS) in scores:
            raise PartwiseError(
                f"min-score {text!r}: a least score of {name or 'all others'} is given already: give one"
            )
        scores[name or OTHERS] = score
    return scores


def parse_classes(texts: Iterable[str]) -> tuple[str, ...]:
    """Names of classes from texts such as "car,person".

    Raises:
        PartwiseError: If texts are given and none of them holds a name.

    >>> parse_classes(["car,person", "bus"])
    ('car', 'person', 'bus')
    """
    texts = list(texts)
    names = tuple(name for text in texts for name in (part.strip() for part in text.split(",")) if name)
    if texts and not names:
        raise PartwiseError(f"classes {','.join(texts)!r}: give at least one name, such as car,person")
    return names


def require_selection(label_set: LabelSet, min_score: MinScore, classes: Sequence[str] = ()) -> None:
    """See that scores and classes can be asked for.

    Raises:
        PartwiseError: For a name that is no class with instances, and for a score out of 0..1.
    """
    things = [label.name for label in label_set.things]
    if isinstance(classes, str) or not all(isinstance(name, str) for name in classes):
        raise PartwiseError(f"classes {shown(classes)}: give a list of names, such as ['car', 'person']")
    by_class = min_score if isinstance(min_score, Mapping) else {OTHERS: min_score}
    for name in (*(name for name in by_class if name != OTHERS), *classes):
        if name not in things:
            raise unknown_name("class with instances", str(name), things)
    for name, score in by_class.items():
        number_in("min_score" if name == OTHERS else f"min_score of {name}", score, 0, 1)


def selected(instances: Kept, label_set: LabelSet, min_score: MinScore = 0.0, classes: Sequence[str] = ()) -> Kept:
    """The instances of some classes with at least some score, in their order.

    Args:
        instances: Of one image, with ids of the label set as labels.
        label_set: Of the names.
        min_score: In 0..1, of all classes or by name.
        classes: Names of the classes that are kept; empty for all.

    Raises:
        PartwiseError: As `require_selection` does.
    """
    require_selection(label_set, min_score, classes)
    by_class = min_score if isinstance(min_score, Mapping) else {OTHERS: min_score}
    least = np.full(256, float(by_class.get(OTHERS, 0.0)))
    for name in by_class.keys() - {OTHERS}:
        least[label_set[name].id] = by_class[name]
    keep = instances.scores >= least[instances.labels]
    if classes:
        keep &= np.isin(instances.labels, [label_set[name].id for name in classes])
    return instances[keep]
