"""The doctor on plain torch modules: each planted fault is found, and a healthy network with a loader is left alone."""

import copy
import os
import signal
from collections import namedtuple

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils._pytree import tree_flatten
from torch.utils.data import DataLoader, TensorDataset

from partwise.doctor import Severity, examine
from partwise.errors import PartwiseError

CLASSES = 4


def classifier() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 16, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1),
        nn.Flatten(), nn.Linear(16, CLASSES),
    )  # fmt: skip


def loader(shift=0.0, scale=1.0, classes=CLASSES) -> DataLoader:
    generator = torch.Generator().manual_seed(1)
    images = torch.randn(48, 3, 8, 8, generator=generator) * scale + shift
    labels = torch.randint(0, classes, (48,), generator=generator)
    return DataLoader(TensorDataset(images, labels), batch_size=8)


def adam(module, lr=1e-3):
    return torch.optim.Adam(module.parameters(), lr=lr)


def findings(diagnosis) -> set[str]:
    return {finding.check for finding in diagnosis.results if finding.severity != Severity.OK}


def diagnose(module, batches=None, loss=F.cross_entropy, lr=1e-3, **options):
    return examine(module, batches or loader(), loss, optimiser=adam(module, lr), **options)


def test_a_healthy_classifier_is_left_alone():
    diagnosis = diagnose(classifier())
    assert diagnosis.healthy and not findings(diagnosis)
    assert {"identical units", "no gradient", "learning rate", "first input", "absent class"} <= {
        finding.check for finding in diagnosis.results
    }


class SeenError(Exception):
    """Ends a test before the loss is read, which has no value on the device meta."""


Pair = namedtuple("Pair", "labels weights")


@pytest.mark.parametrize(
    "targets",
    [
        torch.zeros(2),
        {"labels": torch.zeros(2), "sizes": [torch.ones(1), 3]},
        (torch.zeros(2), "a.png"),
        Pair(torch.zeros(2), [{"at": torch.ones(1)}]),
    ],
    ids=["tensor", "dict", "tuple", "named tuple"],
)
def test_inputs_and_targets_come_to_the_device_of_the_module(targets):
    """meta stands for a GPU."""

    def loss(outputs, given):
        leaves, form = tree_flatten(given)
        assert form == tree_flatten(targets)[1]
        assert {leaf.device.type for leaf in [outputs, *leaves] if isinstance(leaf, torch.Tensor)} == {"meta"}
        raise SeenError

    with pytest.raises(SeenError):
        diagnose(nn.Linear(4, 2, device="meta"), [(torch.randn(8, 4), targets)], loss)


def test_no_gpu_is_touched_for_a_module_on_the_processor(monkeypatch):
    module, forked, fork = classifier(), [], torch.random.fork_rng
    monkeypatch.setattr(torch.random, "fork_rng", lambda devices=None: forked.append(devices) or fork(devices))
    monkeypatch.setattr(torch.cuda, "manual_seed_all", lambda seed: pytest.fail("a GPU was seeded"))
    diagnose(module)
    assert forked == [[]]


def test_module_optimiser_and_random_state_are_as_before():
    module = classifier().eval()
    optimiser = torch.optim.AdamW(module.parameters())
    before, moments = copy.deepcopy(module.state_dict()), copy.deepcopy(optimiser.state_dict())
    state = torch.get_rng_state()
    examine(module, loader(), F.cross_entropy, optimiser=optimiser)
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())
    assert optimiser.state_dict() == moments and not module.training
    assert all(parameter.grad is None for parameter in module.parameters())


@pytest.mark.parametrize("start", [0.0, 0.1])
def test_stacked_layers_that_start_equal_are_found(start):
    module = classifier()
    for layer in (module[2], module[6]):
        nn.init.constant_(layer.weight, start)
        nn.init.constant_(layer.bias, 0.1)
    found = diagnose(module).of("identical units")
    assert found[0].severity == Severity.FAULT and found[0].measured == 1.0
    assert found[0].details == {"2.weight": {"share": 1.0, "units": 16, "rank": 1}}


def test_a_last_layer_that_starts_at_zero_is_no_fault():
    module = classifier()
    nn.init.zeros_(module[6].weight)
    nn.init.zeros_(module[6].bias)
    assert not findings(diagnose(module))


def test_a_branch_that_the_loss_does_not_reach_is_found():
    class Forked(nn.Module):
        def __init__(self):
            super().__init__()
            self.body, self.unused = classifier(), nn.Linear(3, 3)

        def forward(self, images):
            return self.body(images)

    found = diagnose(Forked()).of("no gradient")
    assert found[0].details["names"] == ["unused.weight", "unused.bias"] and found[0].remedy


def test_a_dead_relu_is_found_with_all_that_lies_below_it():
    module = classifier()
    nn.init.constant_(module[2].bias, -1e3)
    names = diagnose(module).of("no gradient")[0].details["names"]
    assert {"0.weight", "2.weight"} <= set(names)


def test_a_parameter_that_no_optimiser_holds_is_found():
    module = classifier()
    optimiser = torch.optim.Adam(module[6].parameters(), lr=1e-3)
    diagnosis = examine(module, loader(), F.cross_entropy, optimiser=optimiser)
    assert diagnosis.of("no gradient")[-1].details["names"] == ["0.weight", "0.bias", "2.weight", "2.bias"]


def test_a_rate_that_cannot_move_the_weights_is_a_fault_and_a_slow_one_a_warning():
    by_rate = {lr: diagnose(classifier(), lr=lr).of("learning rate")[0].severity for lr in (1e-3, 5e-6, 1e-8)}
    assert by_rate == {1e-3: Severity.OK, 5e-6: Severity.WARNING, 1e-8: Severity.FAULT}


def test_a_group_that_stands_still_is_found():
    module = classifier()
    groups = [{"params": module[:5].parameters(), "lr": 1e-11}, {"params": module[5:].parameters()}]
    diagnosis = examine(module, loader(), F.cross_entropy, optimiser=torch.optim.Adam(groups, lr=1e-3))
    still = diagnosis.of("still parameters")[0]
    assert still.severity == Severity.FAULT and "6.weight" not in still.details["names"]
    assert {"0.weight", "2.weight"} <= set(still.details["names"]) and still.measured < 1e-5


def test_the_movement_of_sgd_is_that_of_a_long_run():
    """Momentum .9 makes steps ten times as long in the end; a few steps must not be taken for the pace."""
    slow = classifier()
    ratio = {}
    for momentum in (0.0, 0.9):
        optimiser = torch.optim.SGD(slow.parameters(), lr=1e-4, momentum=momentum)
        one_batch = [next(iter(loader()))]
        diagnosis = examine(slow, one_batch, F.cross_entropy, optimiser=optimiser, steps=3)
        ratio[momentum] = diagnosis.of("learning rate")[0].measured
    assert ratio[0.9] == pytest.approx(10 * ratio[0.0], rel=0.02)


@pytest.mark.parametrize(("shift", "scale"), [(110.0, 60.0), (0.0, 60.0), (0.0, 1e-3)])
def test_inputs_that_are_not_normalised_are_found(shift, scale):
    diagnosis = diagnose(classifier(), loader(shift, scale))
    found = [finding for finding in diagnosis.of("first input") if finding.severity == Severity.FAULT]
    assert found and found[0].where == "0"
    assert found[0].details["mean"] == pytest.approx([shift] * 3, abs=3)
    assert found[0].details["std"] == pytest.approx([scale] * 3, rel=0.1)


def test_targets_of_one_value_are_found():
    found = diagnose(classifier(), loader(classes=1)).of("constant target")[0]
    assert (found.severity, found.measured, found.details["values"]) == (Severity.FAULT, 1, [0.0])


def test_ignored_values_do_not_hide_a_constant_target():
    batches = [(images, {"labels": torch.tensor([-100, 2] * 4)}) for images, _ in loader()]
    loss = lambda outputs, targets: F.cross_entropy(outputs, targets["labels"])
    assert diagnose(classifier(), batches, loss).of("constant target")[0].severity == Severity.FAULT


def test_a_class_that_never_appears_is_a_finding_only_where_all_was_seen():
    whole = diagnose(classifier(), loader(classes=3)).of("absent class")[0]
    assert whole.severity == Severity.WARNING and whole.details["absent"] == ["class 3"]
    part = diagnose(classifier(), loader(classes=3), steps=2).of("absent class")[0]
    assert part.severity == Severity.OK and part.measured == 1


def two_terms(weight):
    return lambda outputs, targets: {
        "class": F.cross_entropy(outputs, targets), "size": weight * outputs.square().mean()
    }  # fmt: skip


def test_a_term_that_drowns_the_other_is_found():
    found = diagnose(classifier(), loss=two_terms(1e6)).of("dominant term")[0]
    assert (found.severity, found.where) == (Severity.FAULT, "size")
    assert diagnose(classifier(), loss=two_terms(1.0)).of("dominant term")[0].severity == Severity.OK


def test_the_share_of_a_term_is_that_of_its_gradient_on_shared_weights():
    """Two terms whose gradients on the one weight are 3 and 1."""
    module = nn.Linear(1, 1, bias=False)
    batches = [(torch.ones(1, 1), torch.zeros(1))]
    loss = lambda outputs, targets: {"three": 3 * outputs.sum(), "one": outputs.sum()}
    found = examine(module, batches, loss, steps=2).of("dominant term")[0]
    assert found.measured == pytest.approx(0.75) and found.where == "three"


def test_a_loss_that_is_not_a_number_is_found_and_nothing_else_is_claimed():
    diagnosis = diagnose(classifier(), loss=lambda outputs, targets: F.cross_entropy(outputs, targets) * float("nan"))
    assert diagnosis.of("finite loss")[0].severity == Severity.FAULT
    assert not diagnosis.of("learning rate")


@pytest.mark.parametrize("between", [nn.Identity(), nn.ReLU()])
def test_layers_with_nothing_between_them_are_found(between):
    module = classifier()
    module[1] = between
    found = diagnose(module).of("stacked linear layers")[0]
    forgotten = isinstance(between, nn.Identity)
    assert (found.severity == Severity.WARNING) == forgotten
    assert found.where == ("0.weight and 2.weight" if forgotten else "")


def test_linear_layers_in_a_row_are_no_finding_where_they_save_something():
    """A narrow waist, a depthwise convolution, and an output that others use besides."""

    class Residual(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second = nn.Linear(6, 6), nn.Linear(6, 2)

        def forward(self, values):
            hidden = self.first(values)
            return self.second(hidden) + hidden[:, :2]

    waist = nn.Sequential(nn.Linear(6, 2), nn.Linear(2, 6))
    depthwise = nn.Sequential(nn.Conv1d(6, 6, 3, groups=6), nn.Conv1d(6, 2, 4), nn.Flatten())
    plain = nn.Sequential(nn.Linear(6, 6), nn.Linear(6, 2))
    labels = torch.arange(4) % 2
    for module, inputs, count in ((waist, 6, 0), (Residual(), 6, 0), (depthwise, (6, 6), 0), (plain, 6, 1)):
        shape = inputs if isinstance(inputs, tuple) else (inputs,)
        batches = [(torch.randn(4, *shape, generator=torch.Generator().manual_seed(i)), labels) for i in range(2)]
        assert diagnose(module, batches, steps=2).of("stacked linear layers")[0].measured == count


def test_without_an_optimiser_nothing_is_said_of_the_rate():
    diagnosis = examine(classifier(), loader(), F.cross_entropy)
    assert not diagnosis.of("learning rate") and not diagnosis.of("still parameters") and diagnosis.healthy


def test_bad_input_is_named():
    with pytest.raises(PartwiseError, match="no batch"):
        examine(classifier(), [], F.cross_entropy)
    with pytest.raises(PartwiseError, match="steps=0"):
        examine(classifier(), loader(), F.cross_entropy, steps=0)
    frozen = classifier().requires_grad_(False)
    with pytest.raises(PartwiseError, match="nothing to train"):
        examine(frozen, loader(), F.cross_entropy)


class Broken(TensorDataset):
    """Ends the worker that reads it, or fails in it."""

    def __init__(self, error=None):
        super().__init__(torch.zeros(8, 3, 8, 8), torch.zeros(8, dtype=torch.int64))
        self.error = error

    def __getitem__(self, i):
        if self.error is None:
            os.kill(os.getpid(), signal.SIGKILL)
        raise self.error


@pytest.mark.parametrize(
    ("workers", "error", "words"), [(1, None, "DataLoader worker"), (0, KeyError("a"), "KeyError: 'a'")]
)
def test_a_loader_that_fails_is_one_line(workers, error, words):
    broken = DataLoader(Broken(error), batch_size=4, num_workers=workers)
    with pytest.raises(PartwiseError, match=rf"doctor: the loader gives no batch \(.*{words}.*\)") as caught:
        diagnose(classifier(), broken)
    assert "\n" not in str(caught.value)
