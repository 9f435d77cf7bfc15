"""Arithmetic on maps: enlargement as PyTorch computes it, on both sides of the size up to which a matrix is used."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from partwise.decoding.maps import SMALL, enlarged


@pytest.mark.parametrize("old", [(1, 1), (3, 5), (16, 16), (SMALL, SMALL), (SMALL + 1, 7), (100, 80)])
@pytest.mark.parametrize("times", [1, 2, 3, 8])
def test_enlarged_maps_are_those_of_pytorch(old, times):
    maps = np.random.default_rng(0).standard_normal((2, *old)).astype(np.float32)
    size = (old[0] * times, old[1] * times)
    wanted = F.interpolate(torch.from_numpy(maps)[None], size=size, mode="bilinear")[0].numpy()
    made = enlarged(maps, size)
    assert made.dtype == np.float32 and made.shape == (2, *size)
    assert np.abs(made - wanted).max() < 1e-4
    assert np.allclose(enlarged(maps[0], size), made[0], atol=1e-5)
