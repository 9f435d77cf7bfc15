"""The stages of decoding that need no torch: suppression, final scores, outcomes, and the reconciled semantic map.

They use NumPy alone. Nothing in this package imports torch, so that it can also serve a network that runs without it.
"""
