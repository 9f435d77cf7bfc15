"""A network on its device computes what it computed before, whichever library runs its convolutions."""

import pytest
import torch
from torch import nn

from partwise.backbones import on_device as module
from partwise.backbones.on_device import on_device, onednn_over_default, with_pointwise_in_onednn
from partwise.methods import PartsConfig
from partwise.methods.parts import PartMaps


@pytest.fixture
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def spread(network: nn.Module) -> list[tuple[int, ...]]:
    """The dilations of all 1x1 convolutions."""
    return [m.dilation for m in network.modules() if isinstance(m, nn.Conv2d) and m.kernel_size == (1, 1)]


def network() -> PartMaps:
    torch.manual_seed(0)
    return PartMaps(PartsConfig(channels=16, semantic_stride_px=2, refine_masks=True, heads="separable"))


def flat(outputs: dict) -> list[torch.Tensor]:
    return [one for value in outputs.values() for one in (value if isinstance(value, list) else [value])]


def test_outputs_and_gradients_stay(one_thread):
    image = torch.randint(0, 256, (1, 3, 64, 96), generator=torch.Generator().manual_seed(1)).float()
    plain, changed = network(), with_pointwise_in_onednn(network())
    of_each = []
    for one in (plain, changed):
        outputs = flat(one(image))
        sum(o.square().mean() for o in outputs).backward()
        of_each.append((outputs, [p.grad for p in one.parameters() if p.grad is not None]))
    (before, grads), (after, changed_grads) = of_each
    for a, b in zip(before + grads, after + changed_grads, strict=True):
        assert (a - b).abs().max() <= 1e-2 * a.abs().max() + 1e-5
    assert set(spread(plain)) == {(1, 1)} and set(spread(changed)) == {(2, 2)}


def test_other_convolutions_stay_as_they_are():
    layers = nn.Sequential(nn.Conv2d(4, 4, 3, padding=1), nn.Conv2d(4, 4, 1, groups=4), nn.Conv2d(4, 2, 1))
    with_pointwise_in_onednn(layers)
    assert [layer.dilation for layer in layers] == [(1, 1), (1, 1), (2, 2)]


@pytest.mark.parametrize(
    ("share", "threads", "dilation"),
    [(0.3, 1, (2, 2)), (0.9, 1, (1, 1)), (1.5, 1, (1, 1)), (0.3, 2, (1, 1))],
)
def test_the_library_is_changed_only_on_one_thread_and_where_it_is_faster(
    monkeypatch, one_thread, share, threads, dilation
):
    monkeypatch.setattr(module, "onednn_over_default", lambda: share)
    torch.set_num_threads(threads)
    ready = on_device(network(), "cpu")
    assert set(spread(ready)) == {dilation}
    assert all(p.is_contiguous(memory_format=torch.channels_last) for p in ready.parameters() if p.dim() == 4)


def test_the_measurement_is_a_share_and_is_made_once(one_thread):
    assert 0 < onednn_over_default() == onednn_over_default()
