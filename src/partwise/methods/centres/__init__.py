"""The report's spatial centre, said relatively: every pixel points at its own instance's centre."""

from partwise.methods.centres.explain import CentresExplanation
from partwise.methods.centres.network import Centres, CentresConfig

__all__ = ["Centres", "CentresConfig", "CentresExplanation"]
