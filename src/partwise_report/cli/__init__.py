"""The report's verbs: `partwise study report`, `recheck`, `cache` and `systems`, and `partwise ceilings`."""

from cyclopts import App

from partwise_report.cli.ceilings import ceilings
from partwise_report.cli.guesses import cache, report
from partwise_report.cli.recheck import recheck
from partwise_report.cli.systems import systems

__all__ = ["ceilings", "study"]

study = App(name="study", help="Train many variants with the same budget, and explain what makes the difference.")
for command in (systems, report, recheck, cache):
    study.command(command)
