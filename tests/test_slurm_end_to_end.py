"""A real Slurm with fake GPUs: Table 3 comes out of cancelled, hung, crashed and requeued jobs unchanged."""

import csv
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
import yaml
from safetensors.numpy import load_file
from slurm.cluster import CPU_NODES, GPU_NODES, SHARDS_PER_GPU, Cluster, missing
from slurm.submission import ROOT, checkout, environment, states_of_jobs, submit, submitted, trainings_in

from slurm import accounting
from spsr.config import CONFIGS, load
from spsr.config.yaml_source import Source

PRESET = "slurm_test"
CANCELLED, HUNG, CRASHED, STOPPED = "spsr_p", "spsr_p_wo_gb", "spsr_p_wo_sl", "nse_p_h"
GPU_RULES = ("train", "train_start", "pretrain", "evaluate")
TRAINED = ("rrdb", STOPPED, CANCELLED, HUNG, CRASHED)

pytestmark = [
    pytest.mark.slurm,
    pytest.mark.skipif(missing() is not None, reason=f"no Slurm: {missing()}"),
    pytest.mark.xdist_group("slurm"),
]


def rule_of(job: str) -> str:
    """The rule of a submitted job: `train` of `train/rrdb`, `evaluate` of `evaluate.table3/0`."""
    return re.split("[./]", job)[0]


def write_preset(folder: Path) -> None:
    """The quick preset's Table 3 with smaller networks and images."""
    preset = Source(CONFIGS / "quick.yaml").data
    preset.pop("probe")
    preset |= {"preset": PRESET, "mark": "test", "tables": ["table3"]}
    preset["recipe"] = {"like": "official", "replicas": 1, "fusion_warmup": 3}
    size = {"features": 8, "blocks": 4, "growth": 4}
    preset["networks"] = {"rrdb": size, "spsr": size, "discriminator": {"channels": 4}}
    datasets = ("Set14", "BSD100", "Urban100")
    preset["data"]["benchmarks"] = {name: preset["data"]["benchmarks"][name] | {"crop": 96} for name in datasets}
    preset["schedules"]["psnr"] |= {"iterations": 10, "milestones": [5], "batch": 2}
    preset["schedules"]["gan"] |= {"iterations": 24, "milestones": [12], "checkpoint_every": 2}
    preset["schedules"]["contrastive"] |= {"iterations": 40, "milestones": [20], "checkpoint_every": 2}
    (folder / "preset.yaml").write_text(yaml.safe_dump(preset))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    top = tmp_path_factory.mktemp("slurm")
    kept = Path(os.environ.get("SPSR_RESOURCES", ROOT / "resources")) / "weights"
    kept.mkdir(parents=True, exist_ok=True)
    (top / "resources").mkdir()
    (top / "resources" / "weights").symlink_to(kept.resolve())
    return top


@pytest.fixture(scope="module")
def cluster(folder: Path) -> Iterator[Cluster]:
    each = Cluster(folder / "slurm")
    try:
        each.start()
        yield each
    finally:
        each.stop()


def model(name: str) -> str:
    return f"results/{PRESET}/runs/{name}/seed0/model.safetensors"


@pytest.fixture(scope="module")
def undisturbed(folder: Path) -> Path:
    """The same trainings on this machine, without Slurm; it fetches what the scores need as well."""
    root = checkout(folder / "local")
    write_preset(root)
    targets = [*map(model, TRAINED), str(folder / "resources/weights/alexnet.safetensors")]
    command = [sys.executable, "-m", "snakemake", "--cores", "2", "--configfile=preset.yaml", *targets]
    done = subprocess.run(command, cwd=root, env=environment(folder), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return root


@dataclass
class Saboteur:
    """Disturbs the trainings of a running workflow, each once it has saved its first checkpoint."""

    cluster: Cluster
    root: Path
    log: Path
    done: list[str] = field(default_factory=list)
    crashed: str = ""

    def submitted(self) -> list[tuple[str, str]]:
        """(Slurm's number, rule and wildcards) of every submission."""
        return submitted(self.log)

    def running(self, name: str) -> str | None:
        """Number of the job that trains `name`, if it runs and has saved something."""
        folder = self.root / f"results/{PRESET}/runs/{name}/seed0"
        steps = [int(path.stem.removeprefix("step_")) for path in folder.glob("checkpoints/step_*.pt")]
        if (folder / "model.safetensors").exists() or max(steps, default=0) == 0:
            return None
        numbers = [number for number, job in self.submitted() if job in (f"train/{name}_0", f"pretrain/{name}_0")]
        return numbers[-1] if numbers and self.state(numbers[-1]) == "RUNNING" else None

    def state(self, number: str) -> str:
        return self.cluster.call("squeue", "-h", "-t", "all", "-j", number, "-o", "%T").strip()

    def act(self) -> None:
        """Do what can be done now."""
        for name, disturb in (
            (STOPPED, self._stop),
            (CRASHED, self._crash),
            (CANCELLED, self._cancel),
            (HUNG, self._hang),
        ):
            if name not in self.done and (number := self.running(name)):
                disturb(name, number)
                self.done.append(name)
        if self.crashed and self.state(self.crashed) == "PENDING":
            self.cluster.start_node(self.node)
            self.crashed = ""

    def _crash(self, name: str, number: str) -> None:
        self.node = self.cluster.call("squeue", "-h", "-j", number, "-o", "%N").strip()
        self.cluster.crash_node(self.node)
        self.crashed = number

    def _cancel(self, name: str, number: str) -> None:
        self.cluster.call("scancel", number)

    def _hang(self, name: str, number: str) -> None:
        self._signal(name, "train", signal.SIGSTOP)
        self.cluster.call("scontrol", "update", f"JobId={number}", "TimeLimit=1")

    def _stop(self, name: str, number: str) -> None:
        self._signal(name, "pretrain", signal.SIGUSR1)

    def _signal(self, name: str, command: str, number: signal.Signals) -> None:
        """Send a signal to the training itself."""
        for process, (words, _) in trainings_in(self.root).items():
            if words[:2] == [command, name]:
                os.kill(process, number)


@dataclass
class Outcome:
    root: Path
    log: str
    submitted: list[tuple[str, str]]
    states: dict[str, list[str]]
    seconds: float


@pytest.fixture(scope="module")
def outcome(cluster: Cluster, folder: Path, undisturbed: Path) -> Outcome:
    """Table 3 by `snakemake --profile slurm`, disturbed. The undisturbed run has fetched the weights before."""
    root, log = checkout(folder / "cluster"), folder / "cluster.log"
    write_preset(root)
    began = time.monotonic()
    workflow = submit(cluster, folder, root, log, "table3", "--configfile=preset.yaml")
    saboteur = Saboteur(cluster, root, log)
    try:
        while workflow.poll() is None:
            saboteur.act()
            time.sleep(0.3)
            assert time.monotonic() - began < 1500, f"not finished in time; see {log}"
    finally:
        if workflow.poll() is None:
            workflow.kill()
    seconds = time.monotonic() - began
    assert workflow.returncode == 0, log.read_text()
    assert set(saboteur.done) == {CANCELLED, HUNG, CRASHED, STOPPED}, "a training was over before it could be disturbed"
    return Outcome(root, log.read_text(), saboteur.submitted(), states_of_jobs(cluster), seconds)


def began_at(outcome: Outcome, name: str) -> list[int]:
    """The steps at which the executions of a training began."""
    ledger = outcome.root / f"results/{PRESET}/runs/{name}/seed0/ledger.jsonl"
    return [int(step) for step in re.findall(r'"began_at_step": (\d+)', ledger.read_text())]


def test_weights_are_those_of_an_undisturbed_run(outcome: Outcome, undisturbed: Path):
    for name in TRAINED:
        assert (outcome.root / model(name)).read_bytes() == (undisturbed / model(name)).read_bytes(), name


def test_disturbed_trainings_went_on_from_a_checkpoint(outcome: Outcome):
    for name in (CANCELLED, HUNG, CRASHED, STOPPED):
        starts = began_at(outcome, name)
        assert len(starts) >= 2
        assert starts[-1] > 0


def test_each_disturbance_left_its_trace_in_slurm(outcome: Outcome):
    def states(name: str) -> list[list[str]]:
        return [outcome.states[number] for number, job in outcome.submitted if job == f"train/{name}_0"]

    assert states(CANCELLED) == [["CANCELLED"], ["COMPLETED"]]
    assert states(HUNG) == [["TIMEOUT"], ["COMPLETED"]]
    assert states(CRASHED) == [["NODE_FAIL", "COMPLETED"]]


def test_a_training_that_ended_its_slot_goes_on_as_the_same_job(outcome: Outcome):
    jobs = [number for number, job in outcome.submitted if job == f"pretrain/{STOPPED}_0"]
    assert len(jobs) == 1
    states = outcome.states[jobs[0]]
    assert (states[0], states[-1]) == ("PENDING", "COMPLETED")


def test_no_finished_job_ran_twice(outcome: Outcome):
    finished = [job for number, job in outcome.submitted if outcome.states[number][-1] == "COMPLETED"]
    assert len(finished) == len(set(finished))


def test_gpu_jobs_run_on_gpu_nodes_and_only_they_have_gpus(outcome: Outcome, cluster: Cluster):
    for number, job in outcome.submitted:
        shown = cluster.call("scontrol", "show", "job", "-d", number)
        wants_gpu = rule_of(job) in GPU_RULES
        nodes = set(re.findall(r"\bNodeList=(\w+)", shown)) - {"null"}
        assert nodes <= set(GPU_NODES if wants_gpu else CPU_NODES), job
        assert ("gpu:" in shown) == wants_gpu, job


def test_short_cpu_jobs_are_submitted_together(outcome: Outcome):
    others = [rule for rule in (rule_of(job) for _, job in outcome.submitted) if rule not in GPU_RULES]
    assert (len(others), others[1]) == (2, "reporting_table")


def test_table_is_complete_and_its_cost_on_record(outcome: Outcome, record_property):
    config = load(outcome.root / "preset.yaml")
    lines = (outcome.root / f"results/{PRESET}/tables/table3.csv").read_text().splitlines()
    assert len(lines) == 1 + 5 * len(config.preset.data.benchmarks) * 3
    record_property("seconds", round(outcome.seconds))
    record_property("slurm_jobs", len(outcome.submitted))
    print(f"table3 on Slurm: {len(outcome.submitted)} jobs in {outcome.seconds:.0f} s")


def test_one_training_runs_on_two_nodes(
    cluster: Cluster, folder: Path, outcome: Outcome, undisturbed: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("SPSR_SITE_NODES", "2")
    root, log = checkout(folder / "distributed"), folder / "distributed.log"
    write_preset(root)
    workflow = submit(cluster, folder, root, log, model("rrdb"), "--configfile=preset.yaml")
    assert workflow.wait(600) == 0, log.read_text()
    ledger = (root / f"results/{PRESET}/runs/rrdb/seed0/ledger.jsonl").read_text()
    assert '"processes": 2' in ledger
    number = submitted(log)[-1][0]
    assert re.search(r"\bNodeList=g\[1-2\]", cluster.call("scontrol", "show", "job", number))
    one, two = load_file(undisturbed / model("rrdb")), load_file(root / model("rrdb"))
    for key, value in one.items():
        np.testing.assert_allclose(two[key], value, rtol=1e-3, atol=1e-4, err_msg=key)


def test_two_trainings_share_a_gpu(cluster: Cluster, folder: Path, undisturbed: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SPSR_SITE_RUNS_PER_GPU", str(SHARDS_PER_GPU))
    root, log = checkout(folder / "shared"), folder / "shared.log"
    write_preset(root)
    workflow = submit(cluster, folder, root, log, model("rrdb"), model(STOPPED), "--configfile=preset.yaml")
    assert workflow.wait(600) == 0, log.read_text()
    numbers = [number for number, job in submitted(log) if rule_of(job) in GPU_RULES]
    shown = [cluster.call("scontrol", "show", "job", "-d", number) for number in numbers]
    assert len(shown) == 2
    assert all("TresPerNode=gres:shard:1" in each for each in shown)
    assert len({found for each in shown for found in re.findall(r"\bNodeList=(\w+)", each)} - {"null"}) == 1
    began, ended = ([re.findall(rf"\b{when}Time=(\S+)", each)[0] for each in shown] for when in ("Start", "End"))
    assert max(began) < min(ended)
    for name in ("rrdb", STOPPED):
        (written,) = (root / f"results/{PRESET}/logs").glob(f"*/{name}.seed0.log")
        assert "GPU: 0\n" in written.read_text()
        assert (root / model(name)).read_bytes() == (undisturbed / model(name)).read_bytes()


@pytest.mark.skipif(accounting.missing() is not None, reason=f"no accounting: {accounting.missing()}")
def test_a_run_on_a_cluster_with_accounting_ends_with_what_its_jobs_used(folder: Path):
    accounted = Cluster(folder / "accounted", accounted=True)
    root, log = checkout(folder / "efficiency"), folder / "efficiency.log"
    write_preset(root)
    try:
        accounted.start()
        workflow = submit(accounted, folder, root, log, model("rrdb"), "--configfile=preset.yaml")
        assert workflow.wait(600) == 0, log.read_text()
    finally:
        accounted.stop()
    (report,) = (root / "results/efficiency").glob("efficiency_report_spsr_*.csv")
    jobs = {row["RuleName"]: row for row in csv.DictReader(report.read_text().splitlines())}
    assert "rule_train_start_wildcards_rrdb_0" in jobs
    for job in jobs.values():
        assert float(job["TotalCPU_sec"]) > 0
        assert 0 < float(job["MaxRSS_MB"]) < float(job["RequestedMem_MB"])
