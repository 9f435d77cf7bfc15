"""streeteval: the scores of Cityscapes from arrays or result files."""
