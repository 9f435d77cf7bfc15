"""The architectures: layers read from the networks are those of the papers, and the pictures show all of them."""

import numpy as np
import pytest
import torch

from partwise.data.cityscapes import write_scene
from partwise.data.streets import Streets
from partwise.experiment import TrainingData
from partwise.methods import FcnConfig, build_method
from partwise_report.fcn import ReportFcnConfig
from partwise_report.instance_fcn import InstanceFcnConfig
from partwise_report.ordering import OrderingConfig
from partwise_report.study.pictures.architecture import fcn_figure, instance_fcn_figure, slice_figure
from partwise_report.study.pictures.layers import backbone_blocks, joined, layers_of, within
from partwise_report.study.pictures.truth_figures import task
from partwise_report.study.systems.figures import test_image as image_of_test_split


def test_the_backbone_is_vgg16_at_its_strides():
    blocks = backbone_blocks(layers_of(FcnConfig(output_stride=8, channels=16)))
    convolutions = [[layer for layer in block if layer.kind == "convolution"] for block in blocks]
    assert [len(block) for block in convolutions] == [2, 2, 3, 3, 3]
    assert [block[-1].channels for block in convolutions] == [64, 128, 256, 512, 512]
    assert [block[-1].stride_px for block in blocks] == [2, 4, 8, 16, 32]
    assert all(layer.kernel == 3 and layer.dilation == 1 for block in convolutions for layer in block)


def test_the_holes_of_the_instance_sensitive_fcn_are_read():
    layers = layers_of(InstanceFcnConfig(features="holes", windows="report", branch_channels=32, k=5))
    blocks = backbone_blocks(layers)
    assert [block[-1].stride_px for block in blocks] == [2, 4, 8, 8, 8]
    assert {layer.dilation for layer in blocks[4]} == {2}
    parts, objectness = (within(layers, f"{name}_branch") for name in ("parts", "objectness"))
    assert [(layer.kernel, layer.channels) for layer in parts] == [(1, 32), (3, 25)]
    assert [(layer.kernel, layer.channels) for layer in objectness] == [(3, 32), (1, 1)]


@pytest.mark.parametrize(
    "config",
    [ReportFcnConfig(output_stride=8, channels=24), OrderingConfig(source="slice", channels=24)],
    ids=["fcn_report", "ordering"],
)
def test_every_layer_with_weights_is_read_as_it_is(config):
    """Against the module itself: kernels and widths of every convolution, none left out."""
    modules = dict(build_method(config).named_modules())
    wanted = {
        name: (module.kernel_size[0], module.out_channels)
        for name, module in modules.items()
        if isinstance(module, torch.nn.Conv2d | torch.nn.ConvTranspose2d)
    }
    found = {layer.name: (layer.kernel, layer.channels) for layer in layers_of(config) if layer.kind != "pooling"}
    if isinstance(config, OrderingConfig):
        assert found["order"] == (3, 31)
    assert found == wanted


def test_layers_alike_are_counted():
    layers = within(layers_of(ReportFcnConfig(channels=24)), "conv6")
    assert [(one.count, one.channels) for one in joined(layers)] == [(2, 512), (1, 24)]


@pytest.mark.parametrize(
    ("figure", "config", "number"),
    [
        (fcn_figure, FcnConfig(output_stride=8, channels=16), "2.1"),
        (slice_figure, OrderingConfig(source="slice", channels=16), "2.5"),
        (instance_fcn_figure, InstanceFcnConfig(branch_channels=16), "2.9"),
    ],
)
def test_a_figure_is_drawn_from_any_configuration_of_its_network(figure, config, number):
    caption, picture = figure(config)
    assert caption.startswith(f"Figure {number}: ") and picture.dtype == np.uint8
    other_caption, other = figure()
    assert other_caption == caption and not (other.shape == picture.shape and np.array_equal(other, picture))


def test_the_figure_of_the_task_has_a_colour_for_each_car():
    scene = max(Streets(4, (128, 256), seed=3), key=lambda one: len(one.instances))
    caption, picture = task(scene)
    assert caption.startswith("Figure 1.1: ") and picture.shape[1] > 3 * 420


class OfTree:
    """As much of a study as the test image needs."""

    def __init__(self, root, view=(0, 0)):
        self.data, self.view = TrainingData(root), view


def test_the_test_image_is_that_of_the_test_split_where_there_is_one(tmp_path):
    scenes = Streets(2, (64, 128), seed=1)
    write_scene(scenes[0], tmp_path, "train")
    assert image_of_test_split(OfTree(tmp_path), rendered=False) is None
    write_scene(scenes[1], tmp_path, "test")
    for path in (tmp_path / "gtFine" / "test").rglob("*.png"):
        path.unlink()  # the test split is published without truth
    assert np.array_equal(image_of_test_split(OfTree(tmp_path), rendered=False), scenes[1].image_HW3)
    assert image_of_test_split(OfTree(tmp_path, (32, 64)), rendered=False).shape == (32, 64, 3)
    assert image_of_test_split(OfTree(tmp_path), rendered=True).shape == (256, 512, 3)
