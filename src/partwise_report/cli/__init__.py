"""The report's verbs: `partwise study report`, `cache` and `systems`, and `partwise ceilings`."""

from cyclopts import App

from partwise_report.cli.ceilings import ceilings
from partwise_report.cli.guesses import cache, report
from partwise_report.cli.systems import systems

__all__ = ["ceilings", "study"]

study = App(name="study", help="Train many variants on one budget and explain what makes the difference.")
for command in (systems, report, cache):
    study.command(command)
