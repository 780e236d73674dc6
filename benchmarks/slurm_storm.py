"""Thirty trainings on a Slurm of two GPU nodes while every ten seconds a fault strikes; what they leave in the end.

    python benchmarks/slurm_storm.py --out benchmarks/slurm_storm.json

First the trainings are made quietly, in this process. Then `snakemake --profile slurm` makes them on the throw-away
Slurm of `tests/slurm/cluster.py`, which needs root and Debian's packages. A random job is cancelled, hangs until its
time limit, a node goes down and comes back, the controller is restarted, or Snakemake is killed. Then somebody does
what docs/cluster.md says: cancels what waits, cancels what runs or lets it end, and gives the same command again. When
all is done every file has to be that of the quiet trainings, and no training may have taken a step after its end.
"""

import filecmp
import json
import os
import platform
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import chdir, suppress
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml

sys.path.append(str(Path(__file__).parents[1] / "tests"))
from slurm.cluster import GPU_NODES, Cluster, missing
from slurm.submission import checkout, environment, states_of_jobs, submit, submitted, trainings_in
from small_runs import pretrain, train_method
from synthetic import photograph

from spsr.cli.prepare import prepare
from spsr.config import CONFIGS, Config, load
from spsr.config.run_folder import RunFolder
from spsr.config.yaml_source import Source
from spsr.errors import InputError
from spsr.files import alone, write_text
from spsr.images import write_png

PRESET = "storm"
STARTS = (("rrdb", 0), ("nse_p_h", 0))
METHODS = ("spsr_p", "spsr_p_wo_gb", "spsr_p_wo_sl", "spsr_p_wo_asl")
BETWEEN, LEFT_ALONE, PATIENCE = 10.0, 20.0, 60.0
"""Seconds between two faults; those that jobs get to end in when Snakemake was killed; and those in which nothing of
theirs must be left when all is done."""

VOLATILE = ("ledger.jsonl", "live.log", ".lock", ".live.lock")
"""Files that differ from one execution to the next."""


def write_preset(folder: Path, trainings: int) -> list[tuple[str, int]]:
    """A preset with small networks and without VGG19; the name and seed of each training."""
    seeds = range(-(-(trainings - len(STARTS)) // len(METHODS)))
    preset = Source(CONFIGS / "quick.yaml").data
    size = {"features": 4, "blocks": 4, "growth": 4}
    changes = {"milestones": [8], "batch": 2, "log_every": 2, "checkpoint_every": 2}
    preset |= {"preset": PRESET, "mark": "storm", "seeds": list(seeds), "tables": ["table3"], "figures": []}
    preset["recipe"] = {"like": "official", "replicas": 1, "fusion_warmup": 3}
    preset["networks"] = {"rrdb": size, "spsr": size, "discriminator": {"channels": 4}}
    preset["data"] |= {"train": {"folder": "photographs"}}
    for name in ("psnr", "gan", "contrastive"):
        preset["schedules"][name] |= changes | {"iterations": 16}
    preset["schedules"]["contrastive"]["patch"] = 96
    preset.pop("probe")
    methods = Source(CONFIGS / "methods.yaml").data
    del methods["spsr_g"]["losses"]["perceptual"]  # From which the others inherit it.
    folder.mkdir(exist_ok=True)
    (folder / "photographs").symlink_to("../photographs")
    write_text(folder / "methods.yaml", yaml.safe_dump(methods))
    write_text(folder / "preset.yaml", yaml.safe_dump(preset))
    return [*STARTS, *((name, seed) for seed in seeds for name in METHODS)][:trainings]


def make_quietly(folder: Path, trainings: list[tuple[str, int]]) -> None:
    """The same trainings one after another, in this process."""
    with chdir(folder):
        config = load("preset.yaml")
        prepare(["training"], None, config.path)
        for name, seed in trainings:
            (pretrain if name in config.extractors else train_method)(config, name, seed)


class Storm:
    """What happens to a workflow until it is done, and who sees to it.

    Args:
        folder: of the resources, and of the logs.
        root: the checkout.
        targets: files to be made.
    """

    def __init__(self, cluster: Cluster, folder: Path, root: Path, targets: list[str], chance: random.Random) -> None:
        self.cluster, self.folder, self.root, self.targets, self.chance = cluster, folder, root, targets, chance
        self.struck: Counter[str] = Counter()
        self.logs: list[Path] = []
        self.ended_alone = 0
        self._down: dict[str, float] = {}
        self._hung: set[int] = set()
        self._unlocking = False
        self._cancel_at: float | None = None
        self._submit()

    def run(self, until: float) -> None:
        """Strike every ten seconds until Snakemake has made everything."""
        next_fault = time.monotonic() + BETWEEN
        while not self._tend():
            if time.monotonic() > until:
                raise TimeoutError(f"not done in time; see {self.logs[-1]}")
            for node in [node for node, back in self._down.items() if time.monotonic() > back]:
                del self._down[node]
                self.cluster.start_node(node)
            if time.monotonic() > next_fault:
                self._strike()
                next_fault += BETWEEN
            time.sleep(0.3)

    def end(self) -> None:
        """Kill Snakemake, if it is at work."""
        self._snakemake.kill()
        self._snakemake.wait()

    def jobs(self, *states: str) -> list[str]:
        """Numbers of the jobs in these states, by default of all that are not at their end."""
        chosen = ["-t", ",".join(states)] if states else []
        return self.cluster.call("squeue", "-h", "-o", "%i", *chosen).split()

    def _submit(self) -> None:
        self.logs.append(self.folder / f"{len(self.logs)}.log")
        arguments = ["--configfile=preset.yaml", "--slurm-init-seconds-before-status-checks=2", *self.targets]
        self._snakemake = submit(self.cluster, self.folder, self.root, self.logs[-1], *arguments)

    def _unlock(self) -> None:
        command = [sys.executable, "-m", "snakemake", "--unlock", "--configfile=preset.yaml"]
        self._snakemake = subprocess.Popen(
            command, cwd=self.root, env=environment(self.folder), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    def _tend(self) -> bool:
        """What somebody does about a Snakemake that ended; whether all is done."""
        code = self._snakemake.poll()
        if code is None:
            return False
        if self._unlocking:
            self._unlocking = False
            self._submit()
            return False
        if code == 0:
            return True
        if self._cancel_at is None:
            self.ended_alone += 1
            self._cancel_at = time.monotonic() + LEFT_ALONE
        late = time.monotonic() > self._cancel_at
        if unwanted := self.jobs() if late else self.jobs("PENDING"):
            self._obeyed("scancel", *unwanted)
        if not self.jobs():
            self._cancel_at, self._unlocking = None, True
            self._unlock()
        return False

    def _strike(self) -> None:
        """One of the faults that can strike now; those that set back most are the rarest."""
        faults: dict[str, tuple[int, Callable[[], bool]]] = {
            "job cancelled": (3, self._cancel),
            "job into its time limit": (2, self._hang),
            "node down and up": (2, self._lose_node),
            "controller restarted": (2, self._restart_controller),
            "submitter killed": (1, self._kill_submitter),
        }
        while faults:
            (name,) = self.chance.choices(list(faults), [weight for weight, _ in faults.values()])
            if faults.pop(name)[1]():
                self.struck[name] += 1
                print(f"{datetime.now():%H:%M:%S} {name}", flush=True)
                return

    def _obeyed(self, *command: str) -> bool:
        """Whether Slurm did it; a job may have ended meanwhile."""
        try:
            self.cluster.call(*command)
        except RuntimeError:
            return False
        return True

    def _cancel(self) -> bool:
        running = self.jobs("RUNNING")
        return bool(running) and self._obeyed("scancel", self.chance.choice(running))

    def _hang(self) -> bool:
        trainings = {process: job for process, (_, job) in trainings_in(self.root).items() if process not in self._hung}
        if not trainings:
            return False
        process = self.chance.choice(sorted(trainings))
        if not self._obeyed("scontrol", "update", f"JobId={trainings[process]}", "EndTime=now+1"):
            return False
        self._hung.add(process)
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGSTOP)
        return True

    def _lose_node(self) -> bool:
        up = sorted(GPU_NODES.keys() - self._down.keys())
        if up:
            node = self.chance.choice(up)
            self.cluster.crash_node(node)
            self._down[node] = time.monotonic() + self.chance.uniform(3, 15)
        return bool(up)

    def _restart_controller(self) -> bool:
        self.cluster.restart_controller(self.chance.uniform(0, 5))
        return True

    def _kill_submitter(self) -> bool:
        if self._unlocking or self._snakemake.poll() is not None:
            return False
        self.end()
        self._cancel_at = time.monotonic() + self.chance.choice([0, LEFT_ALONE])
        return True


def files_of(folder: Path) -> set[str]:
    """The files of trainings, but for what is different every time."""
    places = (folder / "results" / PRESET / "runs", folder / "resources")
    return {
        str(path.relative_to(folder))
        for place in places
        for path in place.rglob("*")
        if path.is_file() and path.name not in VOLATILE
    }


def left_over(cluster: Cluster, root: Path, config: Config, trainings: list[tuple[str, int]]) -> list[str]:
    """Jobs, processes and locks that are there when there should be none any more."""
    until = time.monotonic() + PATIENCE
    while True:
        left = [f"job {number}" for number in cluster.call("squeue", "-h", "-o", "%i").split()]
        left += [f"process {process}" for process in cluster.processes_of_jobs()]
        left += [str(path) for kind in ("locks", "incomplete") for path in (root / ".snakemake" / kind).glob("*")]
        for name, seed in trainings:
            for lock in (config.layout.run(name, seed).lock, config.layout.run(name, seed).live_lock):
                try:
                    if (root / lock).exists():
                        with alone(root / lock, refusal="held"):
                            pass
                except InputError:
                    left.append(str(lock))
        if not left or time.monotonic() > until:
            return left
        time.sleep(1)


def executions(
    cluster: Cluster, logs: list[Path], root: Path, config: Config, trainings: list[tuple[str, int]]
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """What jobs and trainings did in all, and each thing that was done twice."""
    ended = states_of_jobs(cluster)
    finished: set[str] = set()
    twice: list[dict[str, Any]] = []
    again = 0
    for log in logs:
        completed: Counter[str] = Counter()
        for number, job in submitted(log):
            again += job in finished
            completed[job] += sum(state == "COMPLETED" for state in ended.get(number, []))
        finished |= {job for job, count in completed.items() if count}
        twice += [{"job": job, "completed in one submission": count} for job, count in completed.items() if count > 1]
    began, repeated = 0, []
    for name, seed in trainings:
        step, done = 0, False
        schedule = config.training_settings(name, seed).schedule
        for line in RunFolder(root / config.layout.run(name, seed).path).read_ledger():
            if "began_at_step" in line:
                began += 1
                repeated.append(max(0, step - line["began_at_step"]))
            elif done and "iterations_per_s" in line:
                twice.append({"run": f"{name} seed {seed}", "a step after its last": line})
            step = line.get("step", step)
            done = done or ("checkpoint" in line and schedule is not None and step == schedule.iterations)
    return {
        "jobs": len(ended),
        "ends_of_jobs": dict(sorted(Counter(state for ends in ended.values() for state in ends).items())),
        "jobs_of_finished_runs": again,
        "executions_of_trainings": began,
        "most_steps_repeated": max(repeated),
    }, twice


def main(
    out: Annotated[Path, typer.Option(help="The record, as JSON.")],
    trainings: Annotated[int, typer.Option(min=3, help="How many there are.")] = 30,
    seed: Annotated[int, typer.Option(help="Of the faults.")] = 0,
    minutes: Annotated[float, typer.Option(help="In which all must be done.")] = 25,
    folder: Annotated[Path | None, typer.Option(help="Keeps everything.")] = None,
) -> None:
    """Train in the storm, and see what is left."""
    if (reason := missing()) is not None:
        raise SystemExit(reason)
    out, place = out.resolve(), (folder or Path(tempfile.mkdtemp())).resolve()
    quiet, stormy = place / "quiet", checkout(place / "stormy")
    for number in range(3):
        write_png(place / "photographs" / f"{number}.png", photograph(number, 224))
    runs = write_preset(stormy, trainings)
    write_preset(quiet, trainings)
    os.environ |= {"SPSR_RESOURCES": "resources", "OMP_NUM_THREADS": "1"}
    os.environ.pop("MLFLOW_TRACKING_URI", None)
    make_quietly(quiet, runs)
    config = load(stormy / "preset.yaml")
    targets = [str(config.layout.model(*each)) for each in runs]
    cluster = Cluster(place / "slurm")
    began = time.monotonic()
    try:
        cluster.start()
        storm = Storm(cluster, stormy, stormy, targets, random.Random(seed))
        try:
            storm.run(began + 60 * minutes)
        finally:
            storm.end()
        took = (time.monotonic() - began) / 60
        left = left_over(cluster, stormy, config, runs)
        slurm = cluster.call("sinfo", "--version").split()[-1]
    finally:
        cluster.stop()
    done, twice = executions(cluster, storm.logs, stormy, config, runs)
    whole, found = files_of(quiet), files_of(stormy)
    record = {
        "machine": {"processor": platform.processor() or platform.machine(), "cores": os.cpu_count()},
        "load": os.getloadavg(),
        "versions": {
            "slurm": slurm,
            **{name: version(name) for name in ("snakemake", "snakemake-executor-plugin-slurm", "torch")},
        },
        "seed": seed,
        "trainings": len(runs),
        "minutes": round(took, 1),
        "faults": dict(sorted(storm.struck.items())),
        "submissions": len(storm.logs),
        "submissions_that_ended_by_themselves": storm.ended_alone,
        **done,
        "files_compared": len(whole & found),
        "differed": [name for name in sorted(whole & found) if not filecmp.cmp(quiet / name, stormy / name, False)],
        "lost": sorted(whole - found),
        "left": [*left, *sorted(found - whole)],
        "twice": twice,
    }
    write_text(out, json.dumps(record, indent=1) + "\n")
    print(out.read_text())
    if folder is None:
        shutil.rmtree(place)


if __name__ == "__main__":
    typer.run(main)
