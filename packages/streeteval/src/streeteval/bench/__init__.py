"""Measure the evaluator: time beside cityscapesScripts and beside what no evaluator can save."""
