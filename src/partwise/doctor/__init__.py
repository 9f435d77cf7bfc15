"""Silent faults, found before or during training: each with a measured value, the threshold and the mend.

`examine` works for any torch module with a loader, `examine_recipe` and `examine_run` for ours.
"""

from partwise.doctor.examine import examine
from partwise.doctor.finding import Diagnosis, Finding, Severity
from partwise.doctor.subject import examine_recipe, examine_run

__all__ = ["Diagnosis", "Finding", "Severity", "examine", "examine_recipe", "examine_run"]
