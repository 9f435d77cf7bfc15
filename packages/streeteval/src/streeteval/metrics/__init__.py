"""The metrics: what is kept of an image, and the scores of many."""
