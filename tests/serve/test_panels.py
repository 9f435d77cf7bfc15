"""What a panel says of a decision holds, for every method that explains its decisions."""

import base64
import json

import numpy as np
import pytest
import torch

from partwise.data.streets import Streets
from partwise.errors import PartwiseError
from partwise.methods import METHODS, CentresConfig, Explainable, PartsConfig, build_method, explainer_of
from partwise.methods.asked import middle_of_highest_score
from partwise.methods.parts.decode_config import DecodeConfig
from partwise.report.panel import NOTHING, Panel, map_of
from partwise.report.shown_panel import shown_panel
from partwise.segmenter import Segmenter
from partwise.serve.views import see, why_no_explanation
from partwise.training.checkpoint import ModelInfo
from partwise_report.instance_fcn import InstanceFcnConfig
from partwise_report.ordering import OrderingConfig, OrdersConfig

SIZE = (128, 256)
CONFIGS = {
    "parts": PartsConfig(channels=8, refine_masks=True, semantic_stride_px=2, decode=DecodeConfig(soft_sigma=0.5)),
    "centres": CentresConfig(channels=8),
    "instance_fcn": InstanceFcnConfig("holes", "report", "centre", branch_channels=4),
    "ordering": OrderingConfig(source="slice", channels=8),
    "orders": OrdersConfig("location", coordinates=True, channels=8),
}


def blocks_in(blocks):
    """Every block, also those of choices."""
    for one in blocks:
        yield one
        for option in one.get("options", ()):
            yield from blocks_in(option["blocks"])


@pytest.fixture(scope="module", params=CONFIGS)
def perfect(request):
    """A method with the outputs of a perfect network for a street, and its explainer."""
    torch.manual_seed(0)
    method = build_method(CONFIGS[request.param]).eval()
    scene = Streets(1, SIZE, seed=4)[0]
    outputs = method.oracle([method.targets(scene)])
    return request.param, method, outputs, explainer_of(method, outputs, SIZE)


def test_every_method_that_explains_has_a_panel():
    able = {name for name in METHODS if issubclass(METHODS[name], Explainable)}
    assert able - {"parts_slips"} <= set(CONFIGS), "give the new method a panel, and add it here"


def test_a_panel_is_json_and_its_products_are_the_scores(perfect):
    _, method, _outputs, explainer = perfect
    found = explainer.prediction.instances
    assert len(found)
    middles = [middle_of_highest_score(found[[i]]) for i in range(min(len(found), 4))]
    for point in [*middles, (3, 3), (200, 100)]:
        explanation = explainer.at(point)
        panel = shown_panel(explanation, method).to_json()
        json.dumps(panel, allow_nan=False)
        products = [one for one in blocks_in(panel["blocks"]) if one["kind"] == "product"]
        for one in products:
            assert one["result"] == pytest.approx(np.prod([f["factor"] for f in one["factors"]]), rel=1e-4, abs=1e-7)
        if explanation.instance >= 0 and products:
            score = float(explanation.prediction.instances.scores[explanation.instance])
            assert products[0]["result"] == pytest.approx(score, rel=1e-4)
        for one in blocks_in(panel["blocks"]):
            for shown in one.get("maps", ()):
                assert len(base64.b64decode(shown["data"])) == shown["rows"] * shown["columns"]
                if shown["at"]:
                    assert 0 <= shown["at"][0] <= shown["columns"] and 0 <= shown["at"][1] <= shown["rows"]


def test_an_explainer_says_what_explain_says(perfect):
    _, method, outputs, explainer = perfect
    for point in (None, (10, 10), (128, 70), (255, 127)):
        again = method.explain(outputs, SIZE, point)
        assert explainer.at(point).to_json() == again.to_json()
        assert (explainer.prediction.instances.scores == again.prediction.instances.scores).all()
    with pytest.raises(PartwiseError, match="256,0"):
        explainer.at((256, 0))


def test_any_of_them_is_seen_and_explained(perfect):
    name, method, _, _ = perfect
    segment = Segmenter(method, ModelInfo(label_set=method.label_set, method={"kind": name}, origin={}))
    assert why_no_explanation(segment) == ""
    image = Streets(1, SIZE, seed=4)[0].image_HW3
    seen, called = see(segment, image), segment(image)
    assert (seen.result.scores == called.scores).all()
    explained = seen.explain(20, 30)
    assert shown_panel(explained.explanation, method).to_json()["blocks"]


def test_a_method_of_another_package_is_shown_by_its_text_or_its_json():
    class Told:
        def to_text(self, shown_score):
            return f"told at {shown_score:g}"

    class Plain:
        def to_json(self):
            return {"x": 3}

    assert shown_panel(Told(), None, 0.25).blocks[0]["text"] == "told at 0.25"
    assert json.loads(shown_panel(Plain(), None).blocks[0]["text"]) == {"x": 3}
    assert Panel((), ()).to_json() == {"blocks": [], "marks": []}


def test_a_map_keeps_values_to_a_step_and_what_lies_outside():
    values = np.array([[-2.0, 0.0, np.nan], [1.0, 0.5, 4.0]])
    told = map_of(values, "a map")
    steps = np.frombuffer(base64.b64decode(told["data"]), np.int8).reshape(2, 3)
    assert (steps == NOTHING).tolist() == np.isnan(values).tolist()
    known = np.isfinite(values)
    assert np.abs(steps[known] * told["limit"] / 127 - values[known]).max() <= told["limit"] / 127 / 2 + 1e-6
    assert map_of(np.zeros((1, 2)))["limit"] == 1.0
