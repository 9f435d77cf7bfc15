"""Data sets whose truth is a PNG of ids for each image: KITTI, Mapillary Vistas, BDD100K, VOC, COCO's panoptic form."""
