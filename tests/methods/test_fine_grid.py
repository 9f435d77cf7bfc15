"""Windows that are cut out of maps: what an index for each cell takes, also at the border and far beyond it."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from partwise.methods.parts.fine_grid import FineGrid, cut, cut_of, fine_cells
from partwise.methods.parts.windows import Window

SHAPE = (24, 40)


@settings(max_examples=80, deadline=None)
@given(
    centres=st.lists(st.tuples(st.integers(-20, 30), st.integers(-20, 50)), max_size=6),
    cells=st.sampled_from([4, 8, 16]),
)
def test_cut_windows_are_those_of_an_index_for_each_cell(centres, cells):
    window = Window(4, cells)
    centres_M2 = np.array(centres, np.int64).reshape(-1, 2)
    rows, columns, _ = fine_cells(centres_M2, window, FineGrid.of(window), SHAPE)
    maps = np.random.default_rng(0).random((3, *SHAPE)).astype(np.float32)
    indexed = maps[:, rows[:, :, None], columns[:, None, :]].swapaxes(0, 1)
    assert np.array_equal(cut(maps, rows, columns), indexed)
    which = np.arange(len(centres)) % len(maps)
    assert np.array_equal(cut_of(maps, which, rows, columns), indexed[np.arange(len(centres)), which])
