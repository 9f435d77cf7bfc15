"""Trainings in real processes: one is killed, and two train together."""

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time

import psutil
import torch
from safetensors.torch import load_file
from tiny_networks import QUICK, Watcher

from partwise.data.cityscapes import CityscapesFolder
from partwise.data.loader import TrainingSamples, collate
from partwise.methods import build_method
from partwise.recipes import recipe
from partwise.training.checkpoint import load_model, load_state
from partwise.training.config import override
from partwise.training.folder import RunFolder
from partwise.training.loop import train
from partwise.training.optim import build_optimiser

TRAIN = ["-m", "partwise", "train", "demo"]
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}


def test_killed_at_any_moment_the_last_checkpoint_is_whole_and_the_run_goes_on(city_root, tmp_path):
    folder, rng = RunFolder(tmp_path / "run"), random.Random()
    changes = [*QUICK, "training.checkpoint_every_seconds=0", "training.evaluate_frames=1"]
    command = [sys.executable, *TRAIN, *changes, f"--data={city_root}", f"--out={folder.path}", "--steps=100000"]
    process = subprocess.Popen(command, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    deadline = time.monotonic() + 120
    while not folder.state.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(rng.uniform(0, 2))
    os.kill(process.pid, signal.SIGKILL)
    _, said = process.communicate()
    assert process.returncode == -signal.SIGKILL, said.decode()
    _, info = load_model(folder.last)
    reached = load_state(folder.state)["progress"]["step"]
    assert reached <= info.origin["steps"] <= reached + 1
    chosen = override(recipe("demo"), [*changes, f"training.steps={reached + 2}", "training.minutes=0"])
    watcher = Watcher()
    train(chosen, CityscapesFolder(city_root, "train"), folder.path, watcher, data_name="tiny", resume=True)
    assert [record["step"] for record in watcher.records] == [reached + 1, reached + 2]
    steps = [json.loads(line)["step"] for line in folder.metrics.read_text().splitlines()]
    assert steps == list(range(1, reached + 3))


@contextlib.contextmanager
def two_processes(*arguments):
    """Run a training in two processes, and check that all have ended afterwards."""
    launch = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
    process = subprocess.Popen(
        [sys.executable, *launch, *TRAIN, *map(str, arguments)],
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # if they hang, end all of them


def wait_for_steps(folder: RunFolder, steps: int, process: subprocess.Popen) -> None:
    deadline = time.monotonic() + 120
    while not (folder.metrics.exists() and len(folder.metrics.read_text().splitlines()) >= steps):
        assert process.poll() is None and time.monotonic() < deadline, process.communicate()
        time.sleep(0.05)


def test_a_killed_worker_of_one_process_ends_both_in_one_line_each(city_root, tmp_path):
    folder = RunFolder(tmp_path / "run")
    with two_processes(
        *QUICK, "data.workers=1", f"--data={city_root}", f"--out={folder.path}", "--steps=9999"
    ) as process:
        wait_for_steps(folder, 2, process)
        second = next(one for one in psutil.Process(process.pid).children() if one.environ()["RANK"] == "1")
        (worker,) = second.children()
        worker.kill()
        _, said = process.communicate(timeout=60)
    lines = [line for line in said.splitlines() if line.startswith("partwise: ")]
    assert sum(f"(process {worker.pid}) was ended by SIGKILL" in line for line in lines) == 1, said
    assert all("SIGKILL" in line or "another process of this run has ended" in line for line in lines), said
    assert not worker.is_running()


def test_a_signal_to_the_launcher_of_two_processes_saves_and_stops_both(city_root, tmp_path):
    folder = RunFolder(tmp_path / "run")
    with two_processes(
        *QUICK, "data.workers=1", f"--data={city_root}", f"--out={folder.path}", "--steps=9999"
    ) as process:
        wait_for_steps(folder, 2, process)
        assert not folder.state.exists()
        process.terminate()
        _, said = process.communicate(timeout=60)
    reached = load_state(folder.state)["progress"]["step"]
    assert reached >= 2 and f"stopped at step {reached}: the same command with --resume continues it" in said


def test_two_processes_average_their_gradients_and_end(city_root, tmp_path):
    """One step of gradient descent on two samples is computed here a second time, sample by sample."""
    out = tmp_path / "run"
    changes = [*QUICK, "optim.name=sgd", "optim.clip_norm=0", "optim.warmup_steps=0", "optim.schedule=constant"]
    changes += ["optim.weight_decay=0", "optim.lr=0.001", "training.steps=1", "training.minutes=0"]
    with two_processes(*changes, f"--data={city_root}", f"--out={out}") as process:
        said, complaints = process.communicate(timeout=240)
    assert process.returncode == 0, complaints
    assert said.count("wrote ") == 1, said
    lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    assert [sorted({"loss", "evaluation"} & set(line)) for line in lines] == [["loss"], ["evaluation"]]
    assert json.loads((out / "run.json").read_text())["machine"]["processes"] == 2

    chosen = override(recipe("demo"), changes)
    torch.manual_seed(chosen.training.seed)
    method = build_method(chosen.method).train()
    samples = TrainingSamples(
        CityscapesFolder(city_root, "train"), method.targets, chosen.data, chosen.training.seed, None
    )
    gradients, losses = [], []
    for draw in (0, 1):
        images, targets = collate([samples[draw]])
        loss = sum(method.loss(method(images), targets).values())
        method.zero_grad()
        loss.backward()
        losses.append(float(loss.detach()))
        gradients.append({name: value.grad.clone() for name, value in method.named_parameters()})
    factor = {
        id(parameter): group["lr_factor"]
        for group in build_optimiser(method, chosen.optim).param_groups
        for parameter in group["params"]
    }
    learnt = load_file(out / "last.safetensors")
    for name, parameter in method.named_parameters():
        mean = (gradients[0][name] + gradients[1][name]) / 2
        wanted = parameter.detach() - chosen.optim.lr * factor[id(parameter)] * mean
        assert torch.allclose(learnt[name], wanted, rtol=1e-4, atol=1e-6), name
    assert abs(lines[0]["loss"] - sum(losses) / 2) < 1e-4 * abs(lines[0]["loss"])
