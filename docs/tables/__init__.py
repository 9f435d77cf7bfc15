"""The tables of the documentation, made from results/*.json: `TABLES` is every table by its name."""

from tables import bench, ceilings, evaluations, guesses, study, tracks
from tables.table import Make

TABLES: dict[str, Make] = {
    **evaluations.TABLES,
    **bench.TABLES,
    **ceilings.TABLES,
    **study.TABLES,
    **guesses.TABLES,
    **tracks.TABLES,
}

__all__ = ["TABLES"]
