"""Tests of streeteval alone: they need neither partwise nor torch."""
