"""Data sets whose instances are drawn as polygons or run lengths in a JSON file: COCO, VIA, labelme, IDD."""
