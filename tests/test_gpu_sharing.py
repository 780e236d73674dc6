"""Several trainings on one GPU: what jobs ask for, whether memory suffices, and places where there is no Slurm."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from synthetic import toy_config
from test_slurm import RUN, requests

from spsr.cli.plan import plan
from spsr.cluster.crowding import GIB, PROCESS_GIB, crowding, planned_crowding
from spsr.cluster.requests import PlannedRun
from spsr.cluster.site import Site
from spsr.config import CONFIGS, Config
from spsr.files import write_text

RUNS: list[PlannedRun] = [
    {"name": name, "seed": seed, "hours": 1, "memory": memory * GIB}
    for name, seed, memory in (("rrdb", 0, 3), ("natsr", 0, 13), ("natsr", 1, 13), ("spsr_g", 0, 10))
]


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Config:
    """A preset without packed images and results."""
    monkeypatch.chdir(tmp_path)
    return toy_config(tmp_path)


def test_trainings_that_share_a_gpu_ask_for_a_part_of_it_and_other_jobs_for_a_whole_one():
    shared = requests(runs_per_gpu=2)
    assert shared.training == {"gres": "shard:1"}
    assert shared.gpu == {"gpu": 1}
    assert requests(runs_per_gpu=2, shards_per_gpu=80, gpu_type="h100").training == {"gres": "shard:h100:40"}


def test_trainings_that_share_a_gpu_have_the_time_that_all_of_them_need():
    assert requests({"spsr_g": 40.0}, runs_per_gpu=3).training_minutes(RUN) == 190


def site(memory: float | None, runs: int) -> Site:
    return Site(gpu_memory_gib=memory, runs_per_gpu=runs)


def test_the_largest_trainings_that_may_meet_on_a_gpu_have_to_fit_it(config: Config):
    assert crowding(config, site(26 + 2 * PROCESS_GIB, 2), RUNS) is None
    assert crowding(config, site(None, 4), RUNS) is None
    said = crowding(config, site(30, 4), RUNS)
    assert said is not None
    assert "natsr (2 seeds), spsr_g, rrdb on one GPU: 43.0 GiB, and it has 30" in said
    assert "set `runs_per_gpu: 2`, the most that fit" in said
    assert "\n" not in said
    assert "not one fits" in str(crowding(config, site(8, 1), RUNS))


def test_each_training_has_a_copy_of_the_training_images_on_the_gpu(config: Config):
    hr = config.layout.training_pack.with_name("hr.npy")
    hr.parent.mkdir(parents=True)
    with hr.open("wb") as stream:
        stream.truncate(3 * GIB)
    assert crowding(config, site(26 + 2 * PROCESS_GIB + 6, 2), RUNS) is None
    assert crowding(config, site(26 + 2 * PROCESS_GIB + 5, 2), RUNS) is not None


def test_only_trainings_that_are_launched_can_meet(config: Config):
    assert planned_crowding(config, site(20, 2)) is None  # There is no plan.
    totals = {"device_hours": 1, "tflops": 1, "rate": "given", "disk": 0, "disk_while_running": 0}
    write_text(config.layout.root / "plan.json", json.dumps({"runs": RUNS, **totals}))
    assert "set `runs_per_gpu: 1`" in str(planned_crowding(config, site(20, 2)))
    launched = [str(config.layout.model(name, 0)) for name in ("rrdb", "spsr_g")]
    assert planned_crowding(config, site(20, 2), launched) is None


def test_the_plan_names_the_most_trainings_that_fit_a_gpu(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setenv("SPSR_SITE_GPU_MEMORY_GIB", "24")
    monkeypatch.setenv("SPSR_SITE_RUNS_PER_GPU", "4")
    plan(CONFIGS / "paper.yaml", json=True)
    shown = capsys.readouterr()
    assert json.loads(shown.out)["runs"]
    assert shown.err.startswith("Memory: natsr (3 seeds)")
    assert "the most that fit" in shown.err


def test_the_workflow_names_trainings_that_do_not_fit_and_launches_none_of_them(config: Config, tmp_path: Path):
    for name in ("Snakefile", "workflow", "configs", "envs"):
        (tmp_path / name).symlink_to(CONFIGS.parent / name)
    model = Path("results/quick/runs/rrdb/seed0/model.safetensors")
    totals = {"device_hours": 1, "tflops": 1, "rate": "given", "disk": 0, "disk_while_running": 0}
    write_text(tmp_path / "results/quick/plan.json", json.dumps({"runs": RUNS, **totals}))
    crowded = os.environ | {"SPSR_SITE_GPU_MEMORY_GIB": "3.5"}

    def snakemake(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "snakemake", "--cores", "1", *arguments, str(model)]
        return subprocess.run(command, cwd=tmp_path, env=crowded, capture_output=True, text=True, check=False)

    dry = snakemake("-n")
    assert dry.returncode == 0
    assert "Memory: natsr on one GPU: 14.0 GiB, and it has 3.5" in dry.stderr
    launch = snakemake()
    assert launch.returncode == 2
    assert "error: Memory: rrdb on one GPU: 4.0 GiB, and it has 3.5" in launch.stderr
    assert not (tmp_path / "results/quick/runs").exists()


@pytest.fixture
def machine(tmp_path: Path) -> dict[str, str]:
    """The environment of a machine with two GPUs."""
    tool = tmp_path / "bin" / "nvidia-smi"
    tool.parent.mkdir()
    tool.write_text("#!/bin/sh\necho 'GPU 0: H100 (UUID: GPU-a)'\necho 'GPU 1: H100 (UUID: GPU-b)'\n")
    tool.chmod(0o755)
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("SPSR", "SLURM", "CUDA"))}
    return kept | {"PATH": f"{tool.parent}:{os.environ['PATH']}", "TMPDIR": str(tmp_path)}


def started(machine: dict[str, str], folder: Path, name: str) -> subprocess.Popen[str]:
    """`spsr slot` of a training that writes down its GPU and lasts until its standard input ends."""
    script = f'echo "${{CUDA_VISIBLE_DEVICES-none}}" > {folder}/{name}; read line'
    command = [sys.executable, "-m", "spsr", "slot", str(folder / "run"), "--", "sh", "-c", script]
    return subprocess.Popen(command, env=machine, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def waited_for(file: Path) -> str:
    deadline = time.monotonic() + 60
    while not (file.exists() and file.read_text()) and time.monotonic() < deadline:
        time.sleep(0.05)
    return file.read_text().strip()


def test_trainings_without_slurm_fill_the_gpus_evenly_and_then_wait(machine: dict[str, str], tmp_path: Path):
    machine |= {"SPSR_SITE_RUNS_PER_GPU": "2"}
    running, gpus = [], []
    for number in range(4):
        running.append(started(machine, tmp_path, f"gpu{number}"))
        gpus.append(waited_for(tmp_path / f"gpu{number}"))
    assert gpus == ["0", "1", "0", "1"]
    fifth = started(machine, tmp_path, "gpu4")
    assert fifth.stdout is not None
    assert "waiting for a place" in fifth.stdout.readline()
    assert not (tmp_path / "gpu4").exists()
    running[1].kill()
    assert waited_for(tmp_path / "gpu4") == "1"
    for process in (*running, fifth):
        process.communicate("", timeout=60)


@pytest.mark.parametrize(
    ("variables", "gpu"), [({"CUDA_VISIBLE_DEVICES": "5, 7"}, "5"), ({"CUDA_VISIBLE_DEVICES": ""}, "")]
)
def test_a_choice_of_gpus_is_kept(variables: dict[str, str], gpu: str, machine: dict[str, str], tmp_path: Path):
    process = started(machine | variables, tmp_path, "gpu")
    process.communicate("", timeout=60)
    assert (tmp_path / "gpu").read_text().strip() == gpu
