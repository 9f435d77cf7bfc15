"""The loss terms of a teacher: 0 if the student agrees, a gradient towards the teacher if not, and checks."""

from dataclasses import replace

import pytest
import torch

from partwise.errors import PartwiseError
from partwise.methods import CentresConfig, FcnConfig, MaskRcnnConfig, PartsConfig, build_method
from partwise.methods.distil import check_teacher, distilled_parts, distilled_semantics, feature_loss, pyramid_maps
from partwise_report.instance_fcn import InstanceFcnConfig
from partwise_report.ordering import OrderingConfig

WINDOWS = ((4, 8), (8, 16))


def distillation_loss(outputs, taught, class_balance=0.0):
    """Every term that part maps learn from a teacher."""
    return distilled_semantics(outputs, taught, class_balance) | distilled_parts(outputs, taught)


@pytest.fixture(scope="module")
def parts():
    torch.manual_seed(0)
    return build_method(PartsConfig(channels=8, windows=WINDOWS)).eval()


@pytest.fixture(scope="module")
def taught(parts, scenes):
    image = torch.tensor(scenes[0].image_HW3).permute(2, 0, 1)[None]
    with torch.no_grad():
        return parts(image)


def changed(outputs, by: float):
    generator = torch.Generator().manual_seed(1)
    noisy = lambda x: (
        [noisy(y) for y in x] if isinstance(x, list) else x + by * torch.randn(x.shape, generator=generator)
    )
    return {key: noisy(value) for key, value in outputs.items()}


def test_nothing_is_left_to_learn_from_oneself(taught):
    assert all(term.abs() < 1e-6 for term in distillation_loss(taught, taught, class_balance=0.5).values())


def test_the_farther_from_the_teacher_the_larger_is_every_term(taught):
    near, far = (distillation_loss(changed(taught, by), taught) for by in (0.3, 1.5))
    assert near.keys() == far.keys() == {"taught_semantic", "taught_objectness", "taught_parts"}
    assert all(0 < near[name] < far[name] for name in near)


def test_following_the_gradient_leads_to_the_teacher(taught):
    logits = torch.zeros_like(taught["semantic"]).requires_grad_()
    optimiser = torch.optim.Adam([logits], lr=0.3)
    for _ in range(100):
        optimiser.zero_grad()
        distillation_loss({"semantic": logits}, taught)["taught_semantic"].backward()
        optimiser.step()
    assert torch.allclose(logits.softmax(1), taught["semantic"].softmax(1), atol=0.02)


@pytest.mark.parametrize("balance", [0.0, 0.5, 1.0])
def test_the_semantic_term_is_the_weighted_divergence(balance):
    """Compute the term cell by cell in plain Python."""
    torch.manual_seed(3)
    mine, its = torch.randn(1, 4, 3, 5), torch.randn(1, 4, 3, 5)
    best = its.argmax(1)[0].flatten().tolist()
    total = weights = 0.0
    for cell, label in enumerate(best):
        p = its[0].flatten(1)[:, cell].softmax(0)
        q = mine[0].flatten(1)[:, cell].softmax(0)
        weight = best.count(label) ** -balance
        total += weight * float((p * (p / q).log()).sum())
        weights += weight
    term = distillation_loss({"semantic": mine}, {"semantic": its}, balance)["taught_semantic"]
    assert float(term) == pytest.approx(total / weights, rel=1e-4)


def test_a_semantic_student_learns_the_semantics_of_part_maps(taught, scenes):
    torch.manual_seed(0)
    student = build_method(FcnConfig(output_stride=8, channels=16))
    image = torch.tensor(scenes[0].image_HW3).permute(2, 0, 1)[None]
    terms = distillation_loss(student(image), taught)
    assert terms.keys() == {"taught_semantic"}
    terms["taught_semantic"].backward()
    assert student.score.weight.grad.abs().sum() > 0


def test_part_maps_of_other_windows_cannot_be_taught(parts):
    for config in (PartsConfig(channels=8), replace(parts.config, k=5)):
        with pytest.raises(PartwiseError, match="make them equal") as caught:
            check_teacher(build_method(config), parts)
        assert "\n" not in str(caught.value)
    check_teacher(build_method(FcnConfig(channels=8)), parts)


@pytest.mark.parametrize(
    "config", [OrderingConfig(channels=8), InstanceFcnConfig(branch_channels=8), MaskRcnnConfig(channels=8)]
)
def test_these_methods_neither_teach_nor_are_taught(config, parts):
    """The maps of InstanceFcn have the names of part maps, but another meaning."""
    other = build_method(config)
    for student, teacher in ((other, parts), (parts, other)):
        with pytest.raises(PartwiseError, match="does not support distillation"):
            check_teacher(student, teacher)


def test_features_cost_the_share_of_the_variance_that_they_leave():
    torch.manual_seed(0)
    taught = {4: torch.randn(2, 6, 8, 8) + 3, 8: 10 * torch.randn(2, 6, 4, 4)}
    mean = {stride: maps.mean(dim=(2, 3), keepdim=True).expand_as(maps) for stride, maps in taught.items()}
    half = {stride: (maps + mean[stride]) / 2 for stride, maps in taught.items()}
    costs = [float(feature_loss(maps, taught)) for maps in (taught, half, mean)]
    assert costs == pytest.approx([0, 0.25, 1], abs=1e-5)
    assert float(feature_loss({4: taught[4], 8: mean[8]}, taught)) == pytest.approx(0.5)


def test_with_the_features_of_its_teacher_a_student_says_the_same(parts, scenes):
    """The student has the teacher's heads and another backbone: only the pyramid remains to be learnt."""
    torch.manual_seed(1)
    student = build_method(replace(parts.config, backbone="vgg16"))
    heads = {name: value for name, value in parts.state_dict().items() if not name.startswith(("backbone", "pyramid"))}
    student.load_state_dict(heads, strict=False)
    image = torch.tensor(scenes[0].image_HW3[:64, :128]).permute(2, 0, 1)[None]
    with torch.no_grad(), pyramid_maps(parts) as its:
        taught = parts(image)
    optimiser = torch.optim.Adam(student.parameters(), lr=1e-3)
    costs, distances = [], []
    for _ in range(12):
        with pyramid_maps(student) as mine:
            outputs = student(image)
        cost = feature_loss(mine, its)
        costs.append(float(cost.detach()))
        distances.append(float(sum(distillation_loss(outputs, taught).values()).detach()))
        optimiser.zero_grad()
        cost.backward()
        optimiser.step()
    assert costs[-1] < 0.7 * costs[0] and distances[-1] < 0.7 * distances[0]


@pytest.mark.parametrize("other", [PartsConfig(channels=16, windows=WINDOWS), FcnConfig(channels=8)])
def test_features_of_another_shape_cannot_be_taught(other, parts):
    for student, teacher in ((build_method(other), parts), (parts, build_method(other))):
        check_teacher(student, teacher)
        with pytest.raises(PartwiseError, match=r"teacher_features: .* make them equal \(method\.channels\)") as caught:
            check_teacher(student, teacher, features=True)
        assert "\n" not in str(caught.value)
    check_teacher(build_method(CentresConfig(channels=8)), parts, features=True)
