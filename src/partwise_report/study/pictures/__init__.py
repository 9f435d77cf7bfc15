"""Figures of the report, drawn from the networks and the truth as they are."""
