"""The stages of decoding that need no torch: suppression, final scores, outcomes, the reconciled semantic map.

NumPy only, and nothing in this package imports torch, so that it also serves a network that runs without torch.
"""
