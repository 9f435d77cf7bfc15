"""Modules and commands that take the place of those of cityscapesScripts 2.3.0: same names, arguments and results.

- `streeteval.official.instance` for evaluation/evalInstanceLevelSemanticLabeling.py
- `streeteval.official.pixel` for evaluation/evalPixelLevelSemanticLabeling.py
- `streeteval.official.panoptic` for evaluation/evalPanopticSemanticLabeling.py and panopticapi's `pq_compute`
- `streeteval.official.labels` for helpers/labels.py
- `streeteval.official.create` for preparation/

Bad input raises `streeteval.InputError`; a command then prints "ERROR: ..." and exits with code 255, as the official
ones do. Nothing is written beside the package, into the working folder or into a cache.
"""
