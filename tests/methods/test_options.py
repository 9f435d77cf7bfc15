"""An image seen at several sizes: positions stay, probabilities are averaged, instances are kept once."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from partwise.errors import PartwiseError
from partwise.geometry import padded_size
from partwise.methods.options import InferenceOptions, joined, mean_semantics, seen_sizes
from partwise.scene import Prediction
from partwise_report.instance_fcn import InstanceFcn, InstanceFcnConfig
from partwise_report.instance_fcn.decode import InstanceFcnDecodeConfig
from streeteval.instances import Instances

MULTIPLE = 32


def ramp(seen: tuple[int, int], stride: int, slope: tuple[float, float]) -> torch.Tensor:
    """Make (1, 2, h, w) logits of two classes whose probability rises linearly over the image."""
    height, width = padded_size(seen, MULTIPLE)
    y, x = ((torch.arange(side // stride) + 0.5) * stride / s for side, s in zip((height, width), seen, strict=True))
    first = (0.5 + slope[0] * (y[:, None] - 0.5) + slope[1] * (x[None, :] - 0.5)).clamp(0.01, 0.99)
    return torch.stack([first, 1 - first])[None].log()


sides = st.integers(48, 200)


@given(st.tuples(sides, sides), st.tuples(sides, sides), st.sampled_from([1, 4, 8]), st.sampled_from([4, 8]))
@settings(max_examples=60, deadline=None)
def test_a_place_keeps_its_probability_on_every_grid(seen, other, stride, other_stride):
    """The mean of two equal ramps is the same ramp; if one grid were shifted, it would not be."""
    slopes = (0.4, -0.3), (-0.2, 0.5)
    logits = [ramp(seen, stride, slopes[0]), ramp(other, other_stride, slopes[1])]
    means = mean_semantics(logits, [seen, other], MULTIPLE)
    expected_slope = tuple(sum(pair) / 2 for pair in zip(*slopes, strict=True))
    for mean, size, own in ((means[0], seen, stride), (means[1], other, other_stride)):
        expected = torch.softmax(ramp(size, own, expected_slope), dim=1)
        # Nothing is interpolated between the edge of the image and the first cell's centre; the end is padding.
        inner = []
        for side, sides_px in zip(size, zip(seen, other, strict=True), strict=True):
            first_px = max(side / one * cell / 2 for one, cell in zip(sides_px, (stride, other_stride), strict=True))
            inner.append(slice(int(first_px / own) + 1, int(side * 0.8) // own))
        found = torch.softmax(mean, dim=1)[..., inner[0], inner[1]]
        assert torch.allclose(found, expected[..., inner[0], inner[1]], atol=2e-3)


def test_the_mean_of_one_size_with_itself_is_itself():
    logits = torch.randn(2, 5, 8, 16, generator=torch.Generator().manual_seed(0))
    for mean in mean_semantics([logits, logits], [(32, 64), (32, 64)], MULTIPLE):
        assert torch.allclose(torch.softmax(mean, 1), torch.softmax(logits, 1), atol=1e-6)


def test_joined_keeps_the_surer_of_two_and_what_only_one_has():
    left, right = np.zeros((8, 16), bool), np.zeros((8, 16), bool)
    left[:, :6], right[:, 9:] = True, True
    semantic = [np.full((8, 16), value, np.uint8) for value in (7, 11)]
    one = Prediction(Instances.from_masks([26, 24], [0.4, 0.9], [left, left]), semantic[0])
    two = Prediction(Instances.from_masks([26, 26], [0.8, 0.1], [left, right]), semantic[1])
    made = joined([one, two])
    found = sorted(zip(made.instances.labels.tolist(), made.instances.scores.round(2).tolist(), strict=True))
    assert found == [(24, pytest.approx(0.9)), (26, pytest.approx(0.1)), (26, pytest.approx(0.8))]
    assert np.array_equal(made.semantic_HW, semantic[1])
    assert made.instances.scores.tolist() == sorted(made.instances.scores.tolist(), reverse=True), (
        "the highest score first"
    )
    nothing = joined([Prediction(Instances.empty((8, 16))), Prediction(Instances.empty((8, 16)))])
    assert len(nothing.instances) == 0 and nothing.semantic_HW is None


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"scale": 9}, "scale 9: give a number above 0, at most 8"),
        ({"scale": ()}, "give a number above 0, at most 8"),
        ({"flip": "no"}, "flip 'no': give True or False"),
        ({"precision": "fp8"}, "precision 'fp8': give no, bf16 or auto"),
    ],
)
def test_wrong_options_are_refused_where_they_are_made(fields, says):
    with pytest.raises(PartwiseError, match=says):
        InferenceOptions(**fields)
    with pytest.raises(PartwiseError, match=says):
        InferenceOptions().changed(**fields)


def test_a_precision_that_is_not_chosen_yet_runs_nothing():
    with pytest.raises(PartwiseError, match="precision 'auto' is chosen when a model is loaded"):
        InferenceOptions(precision="auto").autocast()


def test_a_size_is_never_empty():
    assert seen_sizes((1, 1), 0.1) == [(1, 1)] and seen_sizes((1, 5000)) == [(1, 2048)]


def test_a_method_with_sizes_of_its_own_takes_one_scale():
    decode = InstanceFcnDecodeConfig(short_sides_px=(32, 64))
    method = InstanceFcn(InstanceFcnConfig(channels=8, branch_channels=8, decode=decode)).eval()
    image = torch.zeros(1, 3, 64, 64, dtype=torch.uint8)
    with pytest.raises(PartwiseError, match="looks at several sizes itself"):
        method.predict(image, InferenceOptions((1, 2)))
    assert method.predict(image, InferenceOptions([0.5]))[0].instances.size == (64, 64)
