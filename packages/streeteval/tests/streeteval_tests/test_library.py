"""Use from Python: public names, tensors without torch, a metric of three methods, and a quick import."""

import json
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

import streeteval
from streeteval import CityscapesEvaluator, CityscapesMetric, InputError, Instances, Truth
from streeteval.given import plain
from streeteval_tests.city import THINGS, labels_of, truth_of

SOURCES = str(Path(streeteval.__file__).resolve().parents[1])


class Tensor:
    """What `plain` asks of a tensor: on a GPU, with a gradient, no array by itself."""

    dtype = "torch.int64"

    def __init__(self, array, place="gpu", gradient=True):
        self.array, self.place, self.gradient = array, place, gradient

    def detach(self):
        return Tensor(self.array, self.place, False)

    def cpu(self):
        return Tensor(self.array, "cpu", self.gradient)

    def numpy(self):
        assert self.place == "cpu" and not self.gradient, "torch refuses"
        return self.array

    def __array__(self, *_, **__):
        raise RuntimeError("can't convert to numpy: on a GPU")

    def __len__(self):
        return len(self.array)

    def __iter__(self):
        return (Tensor(one, self.place, self.gradient) for one in self.array)


def images(count=3):
    rng = np.random.default_rng(0)
    for number in range(count):
        ids_HW = truth_of(rng)
        values = [value for value in np.unique(ids_HW).tolist() if value >= 1000 and value // 1000 in THINGS]
        masks = np.stack([np.roll(ids_HW == value, 1, 0) for value in values])
        found = {"masks": masks, "labels": np.array(values) // 1000, "scores": rng.random(len(values))}
        yield f"street {number}", ids_HW, found | {"semantic": np.roll(labels_of(ids_HW), 1, 0)}


def scores_of(wrap) -> dict:
    evaluator = CityscapesEvaluator()
    for name, ids_HW, found in images():
        instances = Instances.from_masks(*(wrap(found[key]) for key in ("labels", "scores", "masks")))
        evaluator.update(Truth(name, wrap(labels_of(ids_HW)), wrap(ids_HW)), instances, wrap(found["semantic"]))
    return evaluator.compute()


def test_tensors_score_as_arrays():
    assert scores_of(Tensor) == scores_of(np.asarray)
    assert plain([1, 2]) == [1, 2]


def test_evaluators_of_several_processes_are_merged():
    whole, parts = CityscapesEvaluator(), [CityscapesEvaluator() for _ in range(2)]
    for number, (name, ids_HW, found) in enumerate(images()):
        instances = Instances.from_masks(found["labels"], found["scores"], found["masks"])
        for evaluator in (whole, parts[number % 2]):
            evaluator.update(Truth(name, labels_of(ids_HW), ids_HW), instances)
    assert parts[0].merge(parts[1]).compute() == whole.compute()


def test_the_metric_scores_as_the_evaluator():
    metric = CityscapesMetric()
    for name, ids_HW, found in images():
        metric.update([found], [{"name": name, "instance_ids": ids_HW}])
    assert metric.compute() == scores_of(np.asarray)
    assert metric.repeated == 0
    metric.update([found], [{"name": name, "instance_ids": ids_HW}])
    assert metric.repeated == 1 and metric.compute()["images"] == 3
    metric.reset()
    assert metric.compute()["images"] == 0 and metric.repeated == 0


def test_a_call_of_the_metric_returns_the_scores_of_the_batch():
    metric, (one, two) = CityscapesMetric(), list(images(2))
    first = metric([one[2]], [{"instance_ids": one[1]}])
    second = metric([two[2]], [{"instance_ids": two[1]}])
    assert first["images"] == second["images"] == 1 and metric.compute()["images"] == 2
    assert first["instance"]["ap"] != second["instance"]["ap"]


def test_the_metric_wants_a_target_for_each_prediction():
    with pytest.raises(InputError, match="1 predictions and 0 targets"):
        CityscapesMetric().update([{}], [])


PROCESS = """
import json, sys
import torch, torch.distributed as dist
sys.path[:0] = {paths!r}
from streeteval_tests.test_library import images
from streeteval import CityscapesMetric

rank = int(sys.argv[1])
dist.init_process_group("gloo", init_method="file://{store}", rank=rank, world_size=2)
metric = CityscapesMetric()
for number, (name, ids_HW, found) in enumerate(images()):
    if number % 2 == rank or number == 0:  # the first image is given to both, as samplers do
        found = {{key: torch.from_numpy(value) for key, value in found.items()}}
        metric.update([found], [{{"name": name, "instance_ids": torch.from_numpy(ids_HW)}}])
print(json.dumps(metric.compute()))
"""


def test_the_metric_adds_what_all_processes_counted(tmp_path):
    pytest.importorskip("torch", reason="needs torch.distributed")
    code = PROCESS.format(paths=[SOURCES, str(Path(__file__).parents[1])], store=tmp_path / "store")
    started = [
        subprocess.Popen([sys.executable, "-c", code, str(rank)], stdout=subprocess.PIPE, text=True)
        for rank in range(2)
    ]
    said = [process.communicate(timeout=120)[0] for process in started]
    assert json.loads(said[0]) == json.loads(said[1]) == scores_of(np.asarray)


def test_every_public_name_is_there():
    for name in streeteval.__all__:
        assert getattr(streeteval, name).__module__.startswith("streeteval") or name == "CITYSCAPES"
    with pytest.raises(AttributeError, match="no attribute 'evaluate'"):
        _ = streeteval.evaluate


def test_the_import_is_quick_and_needs_nothing_large():
    code = f"""
        import sys, time
        sys.path.insert(0, {SOURCES!r})
        import numpy
        begin = time.process_time()
        import streeteval
        streeteval.CityscapesEvaluator, streeteval.Instances, streeteval.evaluate_folder
        seconds = time.process_time() - begin
        large = {{"torch", "matplotlib", "pydantic", "rich", "scipy", "pycocotools", "partwise"}} & set(sys.modules)
        print(seconds, *large)
    """
    times = []
    for _ in range(3):  # seconds of the processor; the machine may be busy
        done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, timeout=60)
        seconds, *large = done.stdout.split()
        assert not large, done.stdout
        times.append(float(seconds))
    assert min(times) < 0.3
