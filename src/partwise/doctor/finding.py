"""Findings of the doctor, each with a measured value, its threshold and a remedy; and the diagnosis of them all."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any


class Severity(StrEnum):
    """How bad a finding is: `OK` is fine, `WARNING` is for a person to judge, `FAULT` spoils the training."""

    OK = "ok"
    WARNING = "warning"
    FAULT = "fault"


@dataclass(frozen=True)
class Finding:
    """What one check measured at one place.

    Attributes:
        check: Name of the check; docs/doctor.md has a section for each.
        severity: How bad it is.
        what: What was measured, in words with its unit.
        measured: The value; None if there was nothing to measure.
        threshold: The value beyond which it is a warning or a fault; None if there is none.
        where: The layer, target, size class or file.
        remedy: What to do; "" if it is fine.
        details: Further numbers, ready for JSON.
    """

    check: str
    severity: Severity
    what: str
    measured: float | None
    threshold: float | None
    where: str = ""
    remedy: str = ""
    details: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Diagnosis:
    """Everything that the checks measured.

    Attributes:
        subject: What was examined, in words.
        results: The findings, in the order of the checks.
    """

    subject: str
    results: tuple[Finding, ...]

    @property
    def faults(self) -> list[Finding]:
        """The findings that spoil the training."""
        return [finding for finding in self.results if finding.severity == Severity.FAULT]

    @property
    def warnings(self) -> list[Finding]:
        """The findings that a person should judge."""
        return [finding for finding in self.results if finding.severity == Severity.WARNING]

    @property
    def healthy(self) -> bool:
        """Whether there is no fault; warnings do not count."""
        return not self.faults

    def of(self, check: str) -> list[Finding]:
        """Return the findings of one check."""
        return [finding for finding in self.results if finding.check == check]

    def to_json(self) -> dict:
        """Return plain dicts, lists, strings and numbers, ready for `write_json`."""
        counts = {"faults": len(self.faults), "warnings": len(self.warnings)}
        return {"subject": self.subject, "healthy": self.healthy, **counts, "results": list(map(asdict, self.results))}


def judged(
    check: str,
    what: str,
    measured: float,
    where: str,
    remedy: str,
    *,
    fault_above: float | None = None,
    warn_above: float | None = None,
    details: dict[str, Any] | None = None,
) -> Finding:
    """Make a finding whose severity follows from thresholds.

    Args:
        check: Name of the check.
        what: What was measured, in words with its unit.
        measured: The value.
        where: The layer, target, size class or file.
        remedy: What to do; kept only if there is something to correct.
        fault_above: The finding is a fault above this value.
        warn_above: The finding is a warning above this value.
        details: Further numbers, ready for JSON.

    >>> judged("demo", "share", 0.7, "here", "do less", warn_above=0.5).severity.value
    'warning'
    """
    severity, threshold = Severity.OK, warn_above if fault_above is None else fault_above
    if fault_above is not None and measured > fault_above:
        severity = Severity.FAULT
    elif warn_above is not None and measured > warn_above:
        severity, threshold = Severity.WARNING, warn_above
    remedy = "" if severity == Severity.OK else remedy
    return Finding(check, severity, what, measured, threshold, where, remedy, details or {})


def shortened(names: Iterable[str], shown: int = 3) -> str:
    """List the first names in words, and how many more there are.

    >>> shortened(["a", "b", "c", "d", "e"])
    'a, b, c and 2 more'
    """
    names = list(names)
    more = f" and {len(names) - shown} more" if len(names) > shown else ""
    return ", ".join(names[:shown]) + more
