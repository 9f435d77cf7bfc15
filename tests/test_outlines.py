"""Polygons of masks are the masks again, as pycocotools draws them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pycocotools import mask as coco_mask

from partwise.outlines import polygons_of


def drawn(polygons, shape) -> np.ndarray:
    flat = [one.astype(float).ravel().tolist() for one in polygons]
    return coco_mask.decode(coco_mask.merge(coco_mask.frPyObjects(flat, *shape))).astype(bool)


@given(arrays(bool, st.tuples(st.integers(1, 12), st.integers(1, 12))).filter(np.any))
def test_any_mask_comes_back(mask):
    polygons = polygons_of(mask)
    assert np.array_equal(drawn(polygons, mask.shape), mask)
    assert all(len(one) >= 4 and len(np.unique(one, axis=0)) >= 4 for one in polygons)


def test_the_mask_of_a_disc_with_a_hole_comes_back():
    y, x = np.mgrid[:200, :300]
    distance = (y - 90) ** 2 + (x - 140) ** 2
    mask = (distance < 80**2) & (distance > 30**2) & ((x % 50 > 0) | (y < 60))
    assert np.array_equal(drawn(polygons_of(mask), mask.shape), mask)


def test_a_mask_full_of_holes_is_cut_once_for_each_row_of_them():
    """Holes that were cut one after the other, with the outlines of all found again each time, took minutes."""
    mask = np.ones((150, 150), bool)
    mask[1::3, 1::3] = False
    polygons = polygons_of(mask)
    assert np.array_equal(drawn(polygons, mask.shape), mask) and len(polygons) == 51


@pytest.mark.parametrize("shape", [(3, 3), (0, 0)])
def test_no_mask_gives_no_polygon(shape):
    assert polygons_of(np.zeros(shape, bool)) == []
