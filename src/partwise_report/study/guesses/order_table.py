"""What can be known of the order of cars without learning it, beside what the networks of ranks have learnt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from partwise.report.tables import MISSING, Table, fraction
from partwise_report.study.guesses.effects import level
from partwise_report.study.guesses.trial import TrialRecord

COLUMNS = {
    "order": "right rank: the network",
    "order_constant": "one rank for all pixels",
    "order_place": "the most frequent rank at the place",
    "order_unseen": "cars whose rank depends on a car that none of their pixels sees",
}
NOTE = (
    "Shares of the pixels of cars, and in the last column of the cars. The second and the third see no image: they are "
    "taken from the frames that the networks are trained on. The last one is a lower bound, from the boxes of the cars "
    "and the receptive field of the layers: nothing that the network sees at such a car says its rank."
)


def order_tables(trials: Mapping[str, Sequence[TrialRecord]]) -> list[Table]:
    """A row for each variant whose maps stand for ranks.

    Args:
        trials: Variant -> its records, one a seed.

    Returns:
        [] if there is no such variant.
    """
    rows = [
        [name, *(MISSING if own is None else fraction(own.mean) for own in (level(records, one) for one in COLUMNS))]
        for name, records in trials.items()
        if level(records, "order") is not None
    ]
    return [Table("Why ranks are or are not learnt", ("variant", *COLUMNS.values()), rows, NOTE)] if rows else []
