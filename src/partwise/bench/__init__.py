"""Benchmarks: what partwise takes in time and memory, beside the tool that it replaces and beside the floor."""
