"""Semantic maps, as several methods use them: losses, targets at stride 2, and the class of each pixel."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from partwise.methods.semantic import every_second_pixel, semantic_argmax, semantic_dice_loss, semantic_loss


@pytest.mark.parametrize("balance", [0.0, 0.5, 1.0])
def test_the_balanced_cross_entropy_equals_a_loop_over_pixels(balance):
    generator = torch.Generator().manual_seed(3)
    logits = torch.randn(2, 19, 6, 8, generator=generator)
    truth = torch.randint(0, 4, (2, 6, 8), dtype=torch.uint8, generator=generator)
    truth[:, :2] = 255
    counts = {c: int((truth == c).sum()) for c in range(4)}
    total = weights = 0.0
    for b, y, x in (truth != 255).nonzero().tolist():
        c = int(truth[b, y, x])
        weight = counts[c] ** -balance
        total -= weight * float(torch.log_softmax(logits[b, :, y, x], dim=0)[c])
        weights += weight
    assert semantic_loss(logits, truth, balance).item() == pytest.approx(total / weights, rel=1e-5)
    assert semantic_loss(logits, torch.full_like(truth, 255), balance) == 0


def test_dice_equals_its_definition_for_hard_predictions():
    truth = torch.tensor([[[0, 0, 0, 1], [1, 1, 2, 255]]], dtype=torch.uint8)
    predicted = torch.tensor([[[0, 0, 1, 1], [1, 0, 2, 2]]])
    logits = torch.nn.functional.one_hot(predicted, 19).permute(0, 3, 1, 2).float() * 60
    dice = [2 * 2 / (3 + 3), 2 * 2 / (3 + 3), 2 * 1 / (1 + 1)]
    assert semantic_dice_loss(logits, truth).item() == pytest.approx(1 - sum(dice) / 3, abs=1e-5)


def test_every_second_pixel_is_not_shifted_against_the_cells_of_two():
    """In every quarter, the mean position of the sampled pixels is the mean of the cells' centres."""
    y, x = torch.meshgrid(torch.arange(24), torch.arange(40), indexing="ij")
    for axis, side in ((y, 12), (x, 20)):
        picked = every_second_pixel(axis).float()
        assert picked.shape == (12, 20) and len(picked.unique()) == side
        centres = F.avg_pool2d(axis[None].float(), 2)[0]
        for rows in (slice(0, 6), slice(6, 12)):
            for columns in (slice(0, 10), slice(10, 20)):
                assert abs(float((picked - centres)[rows, columns].mean())) < 1e-6


@given(st.integers(0, 2**32 - 1), st.sampled_from([2, 4, 8]))
@settings(max_examples=30, deadline=None)
def test_semantic_argmax_equals_interpolating_everything(seed, stride):
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.randn(1, 6, 4, 6, generator=generator)
    logits = F.interpolate(coarse, size=(11, 13), mode="bicubic")[0]
    reference = F.interpolate(logits[None], scale_factor=stride, mode="bilinear")[0]
    chosen = semantic_argmax(logits, stride).long()
    best = reference.max(dim=0).values
    assert ((best - reference.gather(0, chosen[None])[0]) < 1e-5).all()  # equal except for rounding between ties
