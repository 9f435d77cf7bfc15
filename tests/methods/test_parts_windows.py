"""Windows and assembling against brute-force loops."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from partwise.errors import PartwiseError
from partwise.methods import PartMaps, PartsConfig
from partwise.methods.parts.windows import Window, assemble, parse_windows, part_weights


@given(k=st.integers(1, 7), cells=st.integers(1, 24), mode=st.sampled_from(["nearest", "bilinear"]))
@settings(max_examples=60, deadline=None)
def test_part_weights_share_every_cell_out_completely(k, cells, mode):
    weights = part_weights(k, cells, mode)
    assert weights.shape == (k * k, cells, cells)
    assert (weights >= 0).all()
    torch.testing.assert_close(weights.sum(dim=0), torch.ones(cells, cells))


@given(k=st.integers(1, 5), cells=st.integers(1, 20), mode=st.sampled_from(["nearest", "bilinear"]))
@settings(max_examples=40, deadline=None)
def test_part_weights_mirror_with_the_window(k, cells, mode):
    """Turning a window by 180 degrees turns its parts, so no corner is preferred (nearest: if k divides the cells)."""
    if mode == "nearest" and cells % k:
        return
    weights = part_weights(k, cells, mode)
    torch.testing.assert_close(weights.flip(0), weights.flip(1, 2))


def test_nearest_copies_sub_windows_as_the_paper_does():
    """InstanceFCN, figure 2: sub-window (a, b) of the assembled window comes from part map (a, b)."""
    parts = torch.randn(9, 30, 40)
    assembled, inside = assemble(parts, torch.tensor([[15, 20]]), part_weights(3, 21, "nearest"))
    assert inside.all()
    for a in range(3):
        for b in range(3):
            expected = parts[3 * a + b, 5 + 7 * a : 12 + 7 * a, 10 + 7 * b : 17 + 7 * b]
            assert torch.equal(assembled[0, 7 * a : 7 * a + 7, 7 * b : 7 * b + 7], expected)


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=25, deadline=None)
def test_assemble_equals_loops(seed):
    rng = np.random.default_rng(seed)
    k, cells = int(rng.integers(1, 4)), int(rng.integers(1, 9))
    height, width = (int(side) for side in rng.integers(1, 12, 2))
    parts = torch.from_numpy(rng.normal(size=(k * k, height, width)))
    centres = torch.from_numpy(np.stack([rng.integers(0, height, 5), rng.integers(0, width, 5)], axis=1))
    weights = part_weights(k, cells, str(rng.choice(["nearest", "bilinear"]))).double()
    assembled, inside = assemble(parts, centres, weights)
    for n, (cy, cx) in enumerate(centres.tolist()):
        for i in range(cells):
            for j in range(cells):
                y, x = cy - cells // 2 + i, cx - cells // 2 + j
                on_map = 0 <= y < height and 0 <= x < width
                assert bool(inside[n, i, j]) == on_map
                if on_map:
                    expected = sum(float(weights[p, i, j] * parts[p, y, x]) for p in range(k * k))
                    assert abs(float(assembled[n, i, j]) - expected) < 1e-9


def test_gradients_reach_the_part_maps_that_were_used_and_no_others():
    parts = torch.zeros(9, 12, 12, requires_grad=True)
    assembled, _ = assemble(parts, torch.tensor([[6, 6]]), part_weights(3, 6, "nearest"))
    assembled.sum().backward()
    assert int((parts.grad != 0).sum()) == 36  # one part map at each of the 6 x 6 cells


@given(stride=st.sampled_from([2, 4, 8, 32]), cells=st.integers(1, 21), cell=st.integers(0, 50))
def test_the_centre_lies_in_the_middle_of_the_cells(stride, cells, cell):
    window = Window(stride, cells)
    first = cell - cells // 2
    assert window.centre_px(cell) == (first * stride + (first + cells) * stride) / 2


@pytest.mark.parametrize("bad", [[], [[4]], [[4, 0]], [[4, -8]], [[4, 8.5]], [["a", 8]]])
def test_bad_windows_are_refused(bad):
    with pytest.raises(PartwiseError, match="windows"):
        parse_windows(bad)


@pytest.mark.parametrize("window", [(2, 16), (5, 8), (48, 8)])
def test_a_grid_that_no_map_of_the_pyramid_has_is_refused(window):
    with pytest.raises(PartwiseError, match=rf"no map at stride {window[0]}: give 4 or a power of 2 above it"):
        PartMaps(PartsConfig(channels=8, windows=((4, 8), window)))


def test_an_unknown_assembling_is_refused():
    with pytest.raises(PartwiseError, match="bilinear"):
        part_weights(3, 9, "cubic")
