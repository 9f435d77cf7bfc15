"""Where scenes come from: Cityscapes folders and zips, rendered streets."""
