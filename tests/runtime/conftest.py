"""A tiny model with a mask refiner, as a file of each form, and photos of noise."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from tiny_networks import tiny_recipe

from partwise.cli.app import main
from partwise.methods import build_method
from partwise.training.checkpoint import save_model


@pytest.fixture(scope="session")
def refined_model(tmp_path_factory):
    """A tiny model with a mask refiner, as a safetensors file. Read only."""
    torch.manual_seed(0)
    config = replace(tiny_recipe().method, semantic_stride_px=2, refine_masks=True)
    config = replace(config, decode=replace(config.decode, min_objectness=0.0, min_score=0.0, max_windows=20))
    method = build_method(config)
    torch.nn.init.normal_(method.mask_refiner.correction.weight, std=0.3)
    path = tmp_path_factory.mktemp("exported") / "tiny.safetensors"
    save_model(path, method, {"recipe": "tiny", "terms": "non-commercial"})
    return path


@pytest.fixture(scope="session")
def onnx_model(refined_model):
    """The same model as an ONNX file. Read only."""
    return exported(refined_model, "onnx", ".onnx")


@pytest.fixture(scope="session")
def openvino_model(refined_model):
    """The same model as an OpenVINO model. Read only."""
    return exported(refined_model, "openvino", ".xml")


def exported(model, form, ending):
    out = model.with_suffix(ending)
    main(["export", str(model), "--format", form, "--out", str(out)])
    return out


@pytest.fixture(scope="session")
def photo():
    """Makes a photo of noise, (H, W, 3)."""

    def make(height, width, seed=0):
        return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)

    return make


@pytest.fixture(scope="session")
def assert_same():
    """Checks that two results have the same instances and the same semantic map, up to rounding."""

    def check(one, other):
        assert len(one) == len(other)
        np.testing.assert_array_equal(one.labels, other.labels)
        np.testing.assert_allclose(one.scores, other.scores, atol=1e-4)
        np.testing.assert_array_equal(one.boxes, other.boxes)
        assert (one.semantic_HW != other.semantic_HW).mean() < 0.001
        assert all(np.array_equal(a, b) for a, b in zip(one.masks, other.masks, strict=True))

    return check
