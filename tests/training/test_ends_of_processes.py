"""A signal or an error that comes to one of two processes alone ends both, and the steps so far are saved."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import psutil
from tiny_networks import tiny_recipe

from partwise.data.cityscapes import CityscapesFolder
from partwise.data.loader import TrainingSamples
from partwise.training.checkpoint import load_model, load_state
from partwise.training.folder import RunFolder

ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
LAUNCH = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
HEAD = f"""
import os, signal, sys
from pathlib import Path
sys.path.insert(0, {str(Path(__file__).parents[1])!r})
from tiny_networks import Watcher, tiny_recipe
from partwise.data.cityscapes import CityscapesFolder
from partwise.errors import PartwiseError
from partwise.training.loop import train
from partwise.training.processes import end_processes
from partwise.training.stopping import Stopped

root, out, rank = sys.argv[1], Path(sys.argv[2]), int(os.environ["RANK"])
frames = CityscapesFolder(root, "train")
end = lambda: os.kill(os.getpid(), signal.SIGTERM)
"""
# The signal comes to one process after the step in which all could have agreed: in `progress`, or in an evaluation.
SIGNALS = """
def evaluate(method):
    end()
    raise AssertionError("the signal was lost")

for name, steps, watcher, scores in (
    ("step", 9, Watcher(2, end) if rank == 1 else Watcher(), None),
    ("evaluation", 2, Watcher(), evaluate),
):
    try:
        train(tiny_recipe(steps=steps), frames, out / name, watcher, data_name="tiny", evaluate=scores)
    except Stopped as stopped:
        sys.stdout.write(f"{name} {rank}: {stopped}\\n")  # one write: both processes have one pipe
end_processes()
"""
ERRORS = """
try:
    train(tiny_recipe(steps=9), frames, out, Watcher(), data_name="tiny")
except PartwiseError as error:
    sys.stdout.write(f"{rank}: {error}\\n")
end_processes()
"""


def in_two_processes(script: str, tmp_path: Path, *arguments) -> list[str]:
    """What a script printed that torchrun started twice."""
    (tmp_path / "script.py").write_text(HEAD + script)
    command = [*LAUNCH, str(tmp_path / "script.py"), *map(str, arguments)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, env=ENVIRONMENT, **pipes) as process:
        try:
            said, complaints = process.communicate(timeout=240)
        except subprocess.TimeoutExpired:  # they wait for each other
            for one in (*psutil.Process(process.pid).children(recursive=True), process):
                one.kill()
            raise
    assert process.returncode == 0, complaints
    return sorted(line for line in said.splitlines() if line)


def test_a_signal_to_one_process_stops_both_after_the_same_step(city_root, tmp_path):
    said = in_two_processes(SIGNALS, tmp_path, city_root, tmp_path)
    how = "the same command with --resume continues it"
    stopped = {"evaluation": 2, "step": 3}
    assert said == [f"{name} {rank}: stopped at step {stopped[name]}: {how}" for name in stopped for rank in (0, 1)]
    for name, step in stopped.items():
        progress = load_state(RunFolder(tmp_path / name).state)["progress"]
        assert progress["step"] == step and progress["evaluated"] == -1  # the evaluation is made up for


def test_a_damaged_frame_of_one_process_ends_both_and_the_main_process_saves(city_root, tmp_path):
    root = tmp_path / "city"
    shutil.copytree(city_root, root)
    frames, recipe = CityscapesFolder(root, "train"), tiny_recipe()
    samples = TrainingSamples(frames, lambda scene: {}, recipe.data, recipe.training.seed, None)
    drawn = [samples.scene(draw).name for draw in range(4)]  # in two steps of two processes
    assert len(set(drawn)) == 4
    (damaged,) = root.glob(f"leftImg8bit/train/*/{drawn[3]}*")
    damaged.write_bytes(damaged.read_bytes()[:100])
    main, second = in_two_processes(ERRORS, tmp_path, root, tmp_path / "run")
    how = "step 1 is saved; the same command with --resume continues from there"
    assert main == f"0: another process of this run has ended: see its own error message; {how}"
    assert second.startswith("1: ") and damaged.name in second and "saved" not in second
    folder = RunFolder(tmp_path / "run")
    assert load_state(folder.state)["progress"]["step"] == load_model(folder.last)[1].origin["steps"] == 1
