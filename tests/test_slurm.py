"""What jobs ask of a cluster, and a training's life in short slots, without a Slurm."""

import fcntl
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from snakemake.cli import parse_args
from snakemake_interface_executor_plugins.registry import ExecutorPluginRegistry

from spsr.cluster.requests import Requests, forecast, planned_minutes
from spsr.cluster.site import Site, load_site
from spsr.cluster.slot import distributed_command, minutes_left
from spsr.config import CONFIGS, load
from spsr.errors import InputError
from spsr.files import write_text
from spsr.pipeline import Pipeline

ROOT = CONFIGS.parent
RUN = SimpleNamespace(name="spsr_g", seed="0")


def requests(planned: dict[str, float] | None = None, **site: Any) -> Requests:
    return Requests(load(), Site(**site), planned or {})


def dry_run(*arguments: str) -> str:
    command = [sys.executable, "-m", "snakemake", "--profile", "slurm", "-np", "--forceall", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def test_the_profile_plans_the_whole_paper_and_only_trainings_and_their_images_take_a_gpu():
    text = dry_run("all")
    counts = {rule: int(count) for rule, count in re.findall(r"^([\w.]+) +(\d+)$", text, re.MULTILINE)}
    pipeline = Pipeline(load(CONFIGS / "paper.yaml"))
    assert counts["train"] + counts["train_start"] == sum(len(pipeline.config.seeds(n)) for n in pipeline.trained) > 80
    assert counts["upscale"] == sum(len(pipeline.config.seeds(n)) for n in pipeline.methods)
    assert counts["score.table5"] == len(pipeline.config.preset.seeds)
    assert counts["table"] == 7
    for rule, body in re.findall(r"^(?:local)?rule ([\w.]+):\n((?:    .*\n)+)", text, re.MULTILINE):
        assert ("gpu=1" in body) == (rule in ("train", "train_start", "pretrain", "upscale", "probe")), rule
    assert "results/paper/" in text
    assert "results/quick/" not in text
    assert len(re.findall(r"^Plan: .*GPU-hours", text, re.MULTILINE)) == 1


def test_the_gpu_hours_of_a_dry_run_are_those_of_the_plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    config = load(CONFIGS / "quick.yaml")
    assert "not counted yet" in str(forecast(config))
    plan = {
        "runs": [{"name": "rrdb", "seed": 0, "hours": 2.5, "memory": 1}],
        "device_hours": 2.5,
        "tflops": 100,
        "rate": "given",
    }
    plan |= {"disk": 0, "disk_while_running": 0}
    write_text(config.layout.root / "plan.json", json.dumps(plan))
    assert forecast(config) == "Plan: 1 trainings, 2.5 GPU-hours at 100 TFLOP/s (given)"
    write_text(config.layout.root / "plan.json", json.dumps(plan | {"device_hours": 0.4}))
    assert "24 GPU-minutes" in str(forecast(config))
    write_text(config.layout.root / "plan.json", json.dumps(plan | {"device_hours": 4.61e-05}))
    assert forecast(config) is None


@pytest.mark.parametrize(("storage", "reported"), [("slurmdbd", True), ("none", False)])
def test_the_profile_reports_the_efficiency_of_jobs_where_there_is_accounting(
    storage: str, reported: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    for name in ("sacct", "scontrol", "sinfo", "squeue"):
        (tmp_path / name).write_text(f"#!/bin/sh\necho 'AccountingStorageType   = accounting_storage/{storage}'\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.chdir(ROOT)
    _, given = parse_args(["--profile", "slurm", "all"])
    settings = ExecutorPluginRegistry().get_plugin("slurm").get_settings(given)
    assert (settings.efficiency_report, settings.status_command) == (reported, "squeue")


def test_a_configfile_on_the_command_line_replaces_that_of_the_profile():
    text = dry_run("table3", "--configfile", "configs/quick.yaml")
    assert "results/quick/" in text
    assert "results/paper/" not in text


def test_no_rule_has_retries_of_its_own():
    assert not [file.name for file in (ROOT / "workflow/rules").glob("*.smk") if "retries" in file.read_text()]


def test_a_training_and_its_starting_point_are_of_two_rules():
    # A job on a cluster may repeat whatever its own rule makes, if that looks outdated by then.
    text = dry_run("table3", "--configfile", "configs/quick.yaml", "--forceall")
    jobs = re.findall(r"^rule (train\w*):\n(?:    .*\n)*?    wildcards: name=(\w+),", text, re.MULTILINE)
    made = {name: rule for rule, name in jobs}
    assert made["rrdb"] == "train_start"
    assert {rule for name, rule in made.items() if name != "rrdb"} == {"train"}


def test_an_empty_site_leaves_every_choice_to_slurm():
    assert requests().cpu == {}
    assert requests().gpu == requests().training == {"gpu": 1}


def test_a_site_names_places_and_gpus_once_for_all_jobs():
    given = requests(account="abc", qos="long", partition="std", gpu_partition="a", constraint="x", gpu_type="a100")
    assert given.cpu == {"slurm_partition": "std", "slurm_account": "abc", "qos": "long"}
    assert given.gpu == given.cpu | {"slurm_partition": "a", "constraint": "x", "gpu": 1, "gpu_model": "a100"}


def test_gpus_can_be_asked_for_as_gres():
    assert requests(gpu_request="gres", gpu_type="h100").gpu == {"gres": "gpu:h100:1"}
    assert requests(gpu_request="gres", gpus_per_run=2).training["gres"] == "gpu:2"


def test_a_training_on_two_nodes_is_one_job_with_a_task_on_each():
    asked = requests(nodes=2, gpus_per_run=4, cpus_per_gpu=6).training
    assert asked == {"mpi": "srun", "nodes": 2, "tasks": 2, "tasks_per_gpu": 0, "gres": "gpu:4", "cpus_per_task": 24}


def test_time_follows_the_plan_up_to_a_slot():
    assert requests().training_minutes(RUN) == 240
    assert requests({"spsr_g": 40.0}).training_minutes(RUN) == 70
    assert requests({"spsr_g": 40.0}, gpus_per_run=4).training_minutes(RUN) == 25
    assert requests({"spsr_g": 1800.0}).training_minutes(RUN) == 240


def test_memory_and_time_grow_with_every_attempt():
    assert [requests().training_memory(RUN, attempt) for attempt in (1, 2, 3)] == [24000, 36000, 48000]
    assert [requests(slot_minutes=100).minutes(60)(RUN, attempt) for attempt in (1, 2)] == [60, 100]


def test_planned_minutes_come_from_the_plan_if_there_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    config = load()
    monkeypatch.chdir(tmp_path)
    assert planned_minutes(config) == {}
    config.layout.root.mkdir(parents=True)
    plan = {
        "runs": [{"name": "rrdb", "seed": 0, "hours": 2.5, "memory": 1}],
        "device_hours": 2.5,
        "tflops": 100,
        "rate": "given",
    }
    write_text(config.layout.root / "plan.json", json.dumps(plan | {"disk": 1, "disk_while_running": 1}))
    assert planned_minutes(config) == {"rrdb": 150}


def test_the_environment_overrides_the_site_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "site.yaml").write_text("account: abc\nslot_minutes: 60\nqos:\n")
    monkeypatch.setenv("SPSR_SITE", str(tmp_path / "site.yaml"))
    monkeypatch.setenv("SPSR_SITE_SLOT_MINUTES", "90")
    monkeypatch.setenv("SPSR_SITE_QOS", "123")
    site = load_site()
    assert (site.account, site.slot_minutes, site.qos) == ("abc", 90, "123")


@pytest.mark.parametrize(
    ("text", "variables", "message"),
    [
        ("acount: abc\n", {}, r"site.yaml:1: acount: unknown key; did you mean 'account'"),
        ("account: 7\n", {}, r"site.yaml:1: account: .*string"),
        ("slot_minutes: 10\n", {}, r"margin_minutes must be less than slot_minutes"),
        ("runs_per_gpu: 2\ngpus_per_run: 2\n", {}, r"a training on several GPUs shares none"),
        ("runs_per_gpu: 4\n", {"SPSR_SITE_SHARDS_PER_GPU": "3"}, r"shards_per_gpu must be at least runs_per_gpu"),
        ("", {"SPSR_SITE_GPU_MEMORY_GIB": "0"}, r"SPSR_SITE_GPU_MEMORY_GIB=0: gpu_memory_gib: .*greater than 0"),
        ("", {"SPSR_SITE_NODES": "two"}, r"SPSR_SITE_NODES=two: nodes: .*integer"),
        ("", {"SPSR_SITE_NODE": "2"}, r"SPSR_SITE_NODE: .*did you mean 'nodes'"),
    ],
)
def test_a_wrong_site_is_one_line_with_its_place(
    text: str, variables: dict[str, str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "site.yaml").write_text(text)
    for name, value in (variables | {"SPSR_SITE": str(tmp_path / "site.yaml")}).items():
        monkeypatch.setenv(name, value)
    with pytest.raises(InputError, match=message):
        load_site()


@pytest.mark.parametrize(
    ("text", "minutes"),
    [("45", 0.75), ("1:30", 1.5), ("4:00:00", 240), ("1-06:00:00", 1800), ("UNLIMITED", None), ("", None)],
)
def test_slurms_times_are_minutes(text: str, minutes: float | None):
    assert minutes_left(text) == minutes


def test_one_node_is_started_by_a_standalone_torchrun():
    command = distributed_command(Site(gpus_per_run=2), "7", ["spsr", "train", "rrdb"])
    assert command[1:5] == ["-m", "torch.distributed.run", "--nproc-per-node=2", "--standalone"]
    assert command[-3:] == ["spsr", "train", "rrdb"]


@pytest.fixture
def job(tmp_path: Path) -> dict[str, str]:
    """The environment of a job with 100 minutes left, whose Slurm ends it when it is requeued."""
    clients = tmp_path / "bin"
    clients.mkdir()
    (clients / "squeue").write_text(f'#!/bin/sh\ncase "$*" in *%T*) cat {tmp_path}/state;; *) echo 1:40:00;; esac\n')
    (clients / "scontrol").write_text(
        f'#!/bin/sh\necho "$@" >> {tmp_path}/calls\n[ -e {tmp_path}/refuse ] && exit 1\nkill -TERM $PPID\n'
    )
    for client in clients.iterdir():
        client.chmod(0o755)
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("SPSR", "SLURM"))}
    return kept | {"PATH": f"{clients}:{os.environ['PATH']}", "SLURM_JOB_ID": "42"}


def slot(job: dict[str, str], folder: Path, script: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "spsr", "slot", str(folder), "--", "sh", "-c", script, "train"]
    return subprocess.Popen(command, env=job, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def calls(tmp_path: Path) -> str:
    return (tmp_path / "calls").read_text() if (tmp_path / "calls").exists() else ""


def test_a_training_that_stopped_in_time_is_queued_again(job: dict[str, str], tmp_path: Path):
    process = slot(job, tmp_path / "run", 'echo "$@"; exit 75')
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 75
    assert calls(tmp_path) == "requeue 42\n"
    assert 89 < float(re.findall(r"--max-minutes=([\d.]+)", output)[0]) <= 90


@pytest.mark.parametrize("code", [0, 1, 2])
def test_success_and_real_errors_are_never_queued_again(code: int, job: dict[str, str], tmp_path: Path):
    process = slot(job, tmp_path / "run", f"exit {code}")
    process.communicate(timeout=60)
    assert process.returncode == code
    assert calls(tmp_path) == ""


def test_where_requeueing_is_refused_the_job_is_left_to_a_retry(job: dict[str, str], tmp_path: Path):
    (tmp_path / "refuse").touch()
    process = slot(job, tmp_path / "run", "exit 75")
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 75
    assert "cannot be requeued" in output


@pytest.mark.parametrize(("state", "requeued"), [("COMPLETING", ""), ("RUNNING", "requeue 42\n")])
def test_a_signal_is_passed_on_and_only_a_preempted_job_is_queued_again(
    state: str, requeued: str, job: dict[str, str], tmp_path: Path
):
    (tmp_path / "state").write_text(state)
    process = slot(job, tmp_path / "run", f"trap 'exit 75' TERM; touch {tmp_path}/ready; sleep 60 & wait")
    deadline = time.monotonic() + 60
    while not (tmp_path / "ready").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    process.wait(60)
    assert process.returncode == 75
    assert calls(tmp_path) == requeued


def test_a_run_that_another_process_still_trains_is_waited_for(job: dict[str, str], tmp_path: Path):
    (tmp_path / "run").mkdir()
    with (tmp_path / "run" / ".lock").open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        process = slot(job, tmp_path / "run", f"touch {tmp_path}/trained")
        assert process.stdout is not None
        assert "waiting" in process.stdout.readline()
        assert not (tmp_path / "trained").exists()
    process.communicate(timeout=60)
    assert process.returncode == 0
    assert (tmp_path / "trained").exists()


def test_outside_a_job_the_command_runs_as_it_is(job: dict[str, str], tmp_path: Path):
    job.pop("SLURM_JOB_ID")
    process = slot(job, tmp_path / "run", 'echo "given: $*"; exit 75')
    output, _ = process.communicate(timeout=60)
    assert (process.returncode, output) == (75, "given: \n")
    assert calls(tmp_path) == ""
