import numpy as np
import pytest

from partwise.errors import PartwiseError
from partwise.report.maps import draw_part_maps


def reds_and_blues(picture):
    """Pixels clearly red, pixels clearly blue."""
    red, blue = picture[:, :, 0].astype(int), picture[:, :, 2].astype(int)
    return (red - blue > 60), (blue - red > 60)


@pytest.mark.parametrize("k", [1, 2, 3])
def test_the_part_that_says_yes_is_red_at_its_place_in_the_grid(k):
    def red_centre(part):
        parts = np.full((k * k, 8, 16), -4.0)
        parts[part] = 4.0
        red, blue = reds_and_blues(draw_part_maps(parts, np.full((8, 16), -1.0), k, dpi=45))
        left_half = np.arange(red.shape[1]) < red.shape[1] * 0.42  # without the colour scales
        rows, columns = np.nonzero(red & left_half)
        assert k == 1 or (blue & left_half).any()
        return rows.mean(), columns.mean()

    first, last = red_centre(0), red_centre(k * k - 1)
    if k > 1:
        assert last[0] > first[0] and last[1] > first[1]
        beside = red_centre(1)
        assert abs(beside[0] - first[0]) < 2 and beside[1] > first[1] + 5


def test_a_logit_of_zero_is_pale_and_nan_grey():
    picture = draw_part_maps(np.zeros((1, 4, 4)), np.full((4, 4), np.nan), 1, dpi=60)
    grey = (picture == 0x9A).all(axis=2)
    half = picture.shape[1] // 2
    assert grey[:, half:].sum() > 1000 and grey[:, :half].sum() < 100
    assert (picture[:, :half] > 240).mean() > 0.8
    assert picture.dtype == np.uint8 and picture.shape[2] == 3


def test_the_objectness_may_have_another_stride_and_a_wrong_number_of_maps_is_said():
    assert draw_part_maps(np.zeros((9, 8, 16)), np.zeros((2, 4)), 3, title="stride 8", dpi=40).ndim == 3
    with pytest.raises(PartwiseError, match=r"k = 3 takes \(9, H, W\)"):
        draw_part_maps(np.zeros((8, 4, 4)), np.zeros((4, 4)), 3)
