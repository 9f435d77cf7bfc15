"""`partwise bench throughput`: the stages of a photo, processes side by side, and the arithmetic of a large job."""

import json
import threading
import time

import pytest
from PIL import Image

from partwise.bench import throughput
from partwise.bench.throughput import STAGES, bench_throughput, throughput_text
from partwise.errors import PartwiseError
from partwise.segmenter import load
from partwise.shards.model import finder

pytest.importorskip("pyarrow")


@pytest.fixture(scope="module")
def figures(tiny_model_file):
    return bench_throughput(
        str(tiny_model_file), count=3, size=(64, 128), processes=(2, 1), device="cpu", total=10_000_000, hours=2.0
    )


def test_every_stage_takes_time_and_the_sum_is_the_photo(figures):
    assert tuple(figures["stages"]) == STAGES and all(ms > 0 for ms in figures["stages"].values())
    assert figures["ms"] == pytest.approx(sum(figures["stages"].values()), abs=0.02)
    assert figures["stages"][figures["bottleneck"]] == max(figures["stages"].values())
    assert figures["photos"] == 3 and json.loads(json.dumps(figures)) == figures


def test_processes_are_compared_with_the_first(figures):
    two, one = figures["processes"]
    assert (two["processes"], one["processes"]) == (2, 1) and two["efficiency"] == 1
    assert one["efficiency"] == pytest.approx(one["photos_per_second"] / (two["photos_per_second"] / 2), abs=0.002)


def test_the_rate_counts_each_photo_once_and_none_before_it(tmp_path, monkeypatch, tiny_model_file):
    files = [tmp_path / f"{number}.png" for number in range(4)]
    for file in files:
        Image.new("RGB", (48, 32), (90, 120, 150)).save(file)
    calls: list[float] = []

    def watched(segment):
        find = finder(segment)
        return lambda image: (calls.append(time.monotonic()), find(image))[1]

    monkeypatch.setattr(throughput, "finder", watched)
    monkeypatch.setattr(throughput, "_SEGMENT", [load(str(tiny_model_file), device="cpu")])
    monkeypatch.setattr(throughput, "_START", [threading.Barrier(1)])
    begin, end = throughput._work(files, tmp_path / "out")
    assert sum(begin <= at <= end for at in calls) == len(files) < len(calls)


def test_the_cost_of_a_job_is_the_measured_photo_times_their_number(figures):
    cost, photo = figures["cost"], figures["photo"]
    assert cost["core_hours"] == pytest.approx(10_000_000 * figures["ms"] / 1000 / 3600, abs=0.06)
    assert cost["cores"] * cost["hours"] >= cost["core_hours"] - 0.06 > (cost["cores"] - 1) * cost["hours"] - 0.12
    assert cost["read_mb_per_second"] * cost["hours"] * 3600 == pytest.approx(10_000_000 * photo["kb"] / 1000, rel=0.05)
    assert "core hours" in throughput_text(figures)


def test_own_photos_are_repeated_until_there_are_enough(tmp_path, tiny_model_file):
    Image.new("RGB", (48, 32), (90, 120, 150)).save(tmp_path / "one.png")
    figures = bench_throughput(str(tiny_model_file), tmp_path, count=2, processes=(), device="cpu")
    assert figures["photos"] == 2 and figures["photo"]["kb"] > 0


@pytest.mark.parametrize("wrong", [{"count": 0}, {"processes": (0,)}, {"total": 0}, {"hours": 0.0}])
def test_numbers_below_one_are_refused(wrong):
    with pytest.raises(PartwiseError, match="from 1 on"):
        bench_throughput(**wrong)


def test_a_folder_without_photos_is_one_line(tmp_path, tiny_model_file):
    with pytest.raises(PartwiseError, match="without photos"):
        bench_throughput(str(tiny_model_file), tmp_path, count=1, device="cpu")
