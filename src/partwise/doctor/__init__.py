"""Silent faults, found before or during training: each with a measured value, the threshold and the remedy.

`examine` works for any torch module with a loader, `examine_recipe` and `examine_run` for ours.
"""

from partwise.doctor.examine import examine
from partwise.doctor.finding import Diagnosis, Finding, Severity, judged
from partwise.doctor.subject import examine_recipe, examine_run
from partwise.doctor.unseen import Subject

__all__ = ["Diagnosis", "Finding", "Severity", "Subject", "examine", "examine_recipe", "examine_run", "judged"]
