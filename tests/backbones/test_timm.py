"""Networks of timm: weight files in any order, and networks that are no backbone."""

from pathlib import Path

import pytest
import timm
import torch

from partwise.backbones import build_backbone
from partwise.errors import PartwiseError


@pytest.mark.parametrize("name", ["resnet18", "convnext_atto"])
def test_weights_of_timm_are_found_by_name_in_any_order(name, tmp_path: Path):
    """The file has the names of the whole network, which timm changes where it takes the network apart."""
    torch.manual_seed(0)
    full = timm.create_model(name, pretrained=False)
    state = {key: torch.randn_like(value) if value.is_floating_point() else value for key, value in
             full.state_dict().items()}  # fmt: skip
    full.load_state_dict(state)
    torch.save(dict(sorted(state.items(), reverse=True)), tmp_path / "weights.pth")
    torch.save(state, tmp_path / "in_order.pth")
    for file in ("weights.pth", "in_order.pth"):
        backbone = build_backbone(name)
        backbone.load_pretrained(str(tmp_path / file))
        own = {key.replace("_", "."): value for key, value in backbone.body.state_dict().items()}
        wanted = {key.replace("_", "."): value for key, value in state.items()}
        assert own and all(torch.equal(value, wanted[key]) for key, value in own.items() if "tracked" not in key)


@pytest.mark.parametrize("name", ["inception_v4", "swin_tiny_patch4_window7_224"])
def test_a_backbone_whose_maps_have_other_sizes_is_one_line(name):
    with pytest.raises(PartwiseError, match=f"backbone {name}") as caught:
        build_backbone(name)
    assert "such as resnet18" in str(caught.value) and "\n" not in str(caught.value)


def test_the_check_of_the_maps_draws_no_number_and_changes_no_statistics():
    torch.manual_seed(0)
    backbone, after = build_backbone("resnet18"), torch.rand(1)
    torch.manual_seed(0)
    reference = timm.create_model("resnet18", pretrained=False, features_only=True)
    assert torch.equal(after, torch.rand(1)) and backbone.training
    assert all(torch.equal(value, reference.state_dict()[key]) for key, value in backbone.body.state_dict().items())
