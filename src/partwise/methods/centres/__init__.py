"""The method of centres: every pixel predicts the offset to the centre of its own instance."""

from partwise.methods.centres.explain import CentresExplanation
from partwise.methods.centres.network import Centres, CentresConfig

__all__ = ["Centres", "CentresConfig", "CentresExplanation"]
