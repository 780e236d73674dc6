"""Every kind of job is killed at random moments and run again; it leaves what an undisturbed one leaves.

    python benchmarks/kills.py --out benchmarks/kills.json

Small jobs of every kind, each in a folder of its own: SIGKILL and SIGTERM in turn, at a moment drawn uniformly over the
time that the undisturbed job takes. Then the same command again, until it is done. All files must be equal to the byte,
those of a database in what they say, with none too many; no process may be left. What was done so far stands in
`--folder`, and the same command goes on with it.
"""

import hashlib
import json
import multiprocessing
import os
import platform
import random
import shutil
import signal
import sqlite3
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import chdir, closing, contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib import import_module
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any

import psutil
import torch
import typer
import yaml

sys.path.append(str(Path(__file__).parents[1] / "tests"))
from random_weights import with_random_weights, write_alexnet
from small_runs import small_schedules
from synthetic import photograph, toy_config, write_results

import spsr.models.vgg
from spsr import cli
from spsr.cli.prepare import prepare
from spsr.config import CONFIGS
from spsr.data import registry, weights
from spsr.files import write_text
from spsr.images import write_png
from spsr.tracking.experiment import quiet_mlflow

PATIENCE = 20.0
"""Seconds in which the processes that a job started end with it."""

quiet_mlflow()
for _name in ("train", "pretrain", "probe", "evaluate", "fetch", "track", "table", "figure", "report"):
    import_module(f"spsr.cli.{_name}")  # so that a kill strikes the work, and not what comes before it
import_module("mlflow.store.tracking.sqlalchemy_store")

VOLATILE = ("*.lock", "ledger.jsonl", "live.log", "mlflow.db")
"""Files that differ from one execution to the next, or are compared in another way."""

_STAGES = ((4, 2), (4, 2), (8, 4), (8, 4), (512, 4))
_PROBE = {"iterations": 6, "batch": 1, "learning_rate": 1e-3, "log_every": 2, "checkpoint_every": 3}
_IMAGES, _SIDE = 9, 224


@dataclass(frozen=True)
class Job:
    """A command, and the folder in which everything is that it needs and nothing that it makes."""

    name: str
    arguments: tuple[str, ...]
    makes: tuple[str, ...] = ()


_PRESET = ("--configfile", "toy.yaml")
COMPUTING = (
    Job("train (PSNR)", ("train", "rrdb", *_PRESET), ("results/toy/runs/rrdb",)),
    Job("train (GAN)", ("train", "spsr_p", *_PRESET), ("results/toy/runs/spsr_p",)),
    Job("pretrain an extractor", ("pretrain", "nse_p_h", *_PRESET), ("results/toy/runs/nse_p_h",)),
    Job("pretrain the judge", ("pretrain", "nmd", *_PRESET), ("results/toy/runs/nmd",)),
    Job("probe", ("probe", "nse_p_h", *_PRESET), ("results/toy/probes",)),
    Job("evaluate", ("evaluate", "rrdb", *_PRESET), ("results/toy/scores",)),
    Job("prepare a benchmark", ("prepare", "Set14", *_PRESET), ("resources/prepared/toy/Set14",)),
    Job("prepare training", ("prepare", "training", *_PRESET), ("resources/prepared/toy/training",)),
    Job("fetch", ("fetch", "Set5", "srresnet")),
)
READING = (
    Job("track", ("track", *_PRESET)),
    Job("table", ("table", *_PRESET)),
    Job("figure", ("figure", "losses", "4", "7", *_PRESET)),
    Job("report", ("report", *_PRESET)),
)


def write_base(folder: Path) -> None:
    """A folder for each kind of job: `computing` with random weights, `reading` with results that are made up."""
    for name in ("computing", "reading"):
        (folder / name / "photographs").mkdir(parents=True)
        for number in range(_IMAGES):
            write_png(folder / name / "photographs" / f"{number}.png", photograph(number, _SIDE))
    source = {"folder": "photographs"}
    schedules = small_schedules(iterations=16, milestones=[8], log_every=2, checkpoint_every=3)
    changes: dict[str, Any] = {
        "data": {"train": source, "benchmarks": {"Set14": source}},
        "networks": {
            "rrdb": {"features": 4, "blocks": 4, "growth": 4},
            "spsr": {"features": 4, "blocks": 4, "growth": 4},
            "discriminator": {"channels": 2},
            "nmd": {"channels": 4},
        },
        "schedules": schedules | {"naturalness": schedules["naturalness"] | {"batch": 4}},
        "probe": {
            "contrastive": _PROBE | {"patch": 96},
            "jigsaw": _PROBE | {"patch": 84},
            "contrastive_stride": 100,
            "repeats": 2,
        },
        "tables": ["table2"],
    }
    with with_random_weights(folder / "computing", **changes) as config:
        write_alexnet(weights.stored("alexnet"))
        prepare(["Set14", "training"], None, config.path)
    with chdir(folder / "reading"):
        write_results(toy_config(Path(), tables=["table1"]), ("bicubic", "rrdb", "esrgan"))


def write_served(folder: Path, address: str) -> None:
    """What the server has, and registries that lead there; the hour stands in an archive, so it is written once."""
    if (folder / "datasets.yaml").exists():
        return
    served = folder / "served"
    served.mkdir(exist_ok=True)
    torch.save({"w": torch.ones(1 << 18)}, served / "SRResNet_bicx4_in3nf64nb16.pth")
    for name in registry.datasets()["Set5"].names:
        write_png(served / "Set5" / f"{name}.png", photograph(len(name), _SIDE))
    shutil.make_archive(str(served / "Set5"), "zip", served, "Set5")
    sources = ("weights", "srresnet", "SRResNet_bicx4_in3nf64nb16.pth"), ("datasets", "Set5", "Set5.zip")
    for kind, name, file in sources:
        entries = yaml.safe_load((CONFIGS / f"{kind}.yaml").read_text(encoding="utf-8"))
        entries[kind][name]["sources"] = [{"kind": "url", "url": f"{address}/{file}"}]
        write_text(folder / f"{kind}.yaml", yaml.safe_dump(entries))


class _Slow(SimpleHTTPRequestHandler):
    """Gives files piece by piece, so that there is time to kill who asks."""

    def copyfile(self, source: Any, outputfile: Any) -> None:
        while block := source.read(1 << 15):
            outputfile.write(block)
            time.sleep(0.01)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """The address of a slow server of the files of a folder; another time, it is the same one."""
    folder.mkdir(parents=True, exist_ok=True)
    known = folder.with_name("port")

    class Quiet(ThreadingHTTPServer):
        def handle_error(self, *_: object) -> None:
            pass

    port = int(known.read_text(encoding="utf-8")) if known.exists() else 0
    with Quiet(("127.0.0.1", port), partial(_Slow, directory=str(folder))) as server:
        write_text(known, str(server.server_port))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def command(place: Path, registries: Path, arguments: tuple[str, ...]) -> None:
    """`spsr ARGUMENTS` in a folder, as the leader of a session of its own."""
    os.setsid()
    os.chdir(place)
    os.environ["SPSR_RESOURCES"] = "resources"
    spsr.models.vgg.STAGES = _STAGES
    registry.CONFIGS = registries
    sys.argv = ["spsr", *arguments]
    sys.modules["__main__"] = ModuleType("__main__")  # Else a job's own processes import all of this first.
    with Path("said").open("a") as said:
        os.dup2(said.fileno(), 1)
        os.dup2(said.fileno(), 2)
    cli.main()


def ready_server() -> ForkServerContext:
    """Processes that start in milliseconds: they are forked from one that has imported everything."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["kills"])
    os.environ["PYTHONPATH"] = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
    first = context.Process(target=int)
    first.start()
    first.join()
    return context


@dataclass(frozen=True)
class Trial:
    """A job that was killed and run again.

    Attributes:
        moment: of the kill, as a share of the time that the undisturbed job takes.
        code: with which the killed process ended.
        differs: files that are not as after the undisturbed job.
        left: processes that outlived it.
    """

    job: str
    signal: str
    moment: float
    code: int
    differs: list[str]
    left: list[str]


class Range:
    """Where jobs are killed.

    Args:
        folder: for what each begins with (`base`), what the undisturbed one leaves (`whole`), and the work.
    """

    def __init__(self, folder: Path, server: ForkServerContext) -> None:
        self.folder, self.server = folder, server
        self.kept = folder / "whole.json"
        self.whole: dict[str, tuple[float, dict[str, str]]] = {}
        if self.kept.exists():
            self.whole = json.loads(self.kept.read_text(encoding="utf-8"))

    def start(self, job: Job) -> ForkServerProcess:
        process = self.server.Process(target=command, args=(self.folder / "work", self.folder, job.arguments))
        process.start()
        return process

    def begin(self, job: Job) -> None:
        """Lay the folder in which a job works, as it is before it."""
        work = self.folder / "work"
        shutil.rmtree(work, ignore_errors=True)
        shutil.copytree(self.folder / ("computing" if job in COMPUTING else "reading"), work)
        for made in job.makes:
            shutil.rmtree(work / made, ignore_errors=True)

    def finish(self, job: Job) -> None:
        process = self.start(job)
        process.join()
        if process.exitcode:
            said = (self.folder / "work" / "said").read_text(encoding="utf-8")
            raise SystemExit(f"{job.name}: ended with {process.exitcode}: {said[-2000:]}")

    def undisturbed(self, job: Job) -> tuple[float, dict[str, str]]:
        """How long a job takes, and what it leaves."""
        if job.name not in self.whole:
            for _ in range(2):  # The first warms the caches of the disk.
                self.begin(job)
                began = time.monotonic()
                self.finish(job)
                seconds = time.monotonic() - began
            self.whole[job.name] = seconds, content_of(self.folder / "work")
            write_text(self.kept, json.dumps(self.whole))
        return self.whole[job.name]

    def trial(self, job: Job, number: signal.Signals, chance: random.Random) -> Trial:
        """Kill a job once while it runs, and run it again to its end."""
        seconds, whole = self.undisturbed(job)
        while True:
            self.begin(job)
            moment = chance.random()
            process = self.start(job)
            process.join(moment * seconds)
            session = process.pid or 0
            if process.exitcode is None:
                os.kill(session, number)
                process.join()
                if process.exitcode:
                    break
        left = outliving(session)
        self.finish(job)
        after = content_of(self.folder / "work")
        differs = sorted(name for name in whole.keys() | after.keys() if whole.get(name) != after.get(name))
        return Trial(job.name, number.name, round(moment, 3), process.exitcode, differs, left)


def outliving(session: int) -> list[str]:
    """The processes of a session that are there when there should be none any more."""
    until = time.monotonic() + PATIENCE
    while True:
        left = []
        for process in psutil.process_iter():
            try:
                if os.getsid(process.pid) == session and process.status() != psutil.STATUS_ZOMBIE:
                    left.append(" ".join(process.cmdline()))
            except (OSError, psutil.Error):
                continue
        if not left or time.monotonic() > until:
            return left
        time.sleep(0.05)


def content_of(folder: Path) -> dict[str, str]:
    """What lies in a folder: the SHA-256 of each file, and of an MLflow store what it says."""
    runs: dict[str, str] = {}
    content: dict[str, str] = {}
    store = next(folder.rglob("mlflow.db"), None)
    if store is not None:
        runs, content = store_content(store)
    artifacts: dict[str, list[str]] = {}
    for path in sorted(folder.rglob("*")):
        if not path.is_file() or path.name == "said" or any(path.match(pattern) for pattern in VOLATILE):
            continue
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        if store is not None and path.is_relative_to(store.parent / "artifacts"):
            run, *inner = path.relative_to(store.parent / "artifacts").parts
            artifacts.setdefault("/".join([runs.get(run, "of no run"), *inner[:-1]]), []).append(digest)
        else:
            content[str(path.relative_to(folder))] = digest
    return content | {f"artifact {place}": json.dumps(sorted(digests)) for place, digests in artifacts.items()}


def store_content(store: Path) -> tuple[dict[str, str], dict[str, str]]:
    """The names of an MLflow store's runs by their identifiers, and what it says of each, but for the clock."""
    with closing(sqlite3.connect(store)) as opened:
        runs = dict(opened.execute("SELECT run_uuid, name FROM runs WHERE lifecycle_stage = 'active'").fetchall())
        said: dict[str, list[object]] = {name: [] for name in runs.values()}
        for table, columns in {
            "runs": "status, start_time, end_time",
            "metrics": "key, value, step, timestamp",
            "latest_metrics": "key, value, step",
            "params": "key, value",
            "tags": "key, value",
        }.items():
            for identifier, *row in opened.execute(f"SELECT run_uuid, {columns} FROM {table}"):
                if identifier in runs and row[0] != "mlflow.log-model.history":
                    said[runs[identifier]].append([table, *row])
        for name, run, version in opened.execute("SELECT name, run_id, version FROM model_versions"):
            tags = "SELECT key, value FROM model_version_tags WHERE name = ? AND version = ?"
            found = sorted(opened.execute(tags, (name, version)).fetchall())
            said.setdefault(f"model {name}", []).append([runs.get(run), found])
        said["views"] = [key for (key,) in opened.execute("SELECT key FROM experiment_tags")]
    return runs, {f"store {name}": json.dumps(sorted(map(json.dumps, rows))) for name, rows in said.items()}


def main(
    out: Annotated[Path, typer.Option(help="The record, as JSON.")],
    kills: Annotated[int, typer.Option(min=1, help="How many there are in all.")] = 200,
    folder: Annotated[Path | None, typer.Option(help="Keeps what was done, so that it can be gone on with.")] = None,
    only: Annotated[list[str] | None, typer.Option(help="Kinds of jobs.")] = None,
    minutes: Annotated[float, typer.Option(help="Stop after so many; the same command goes on.")] = 1e6,
) -> None:
    """Kill jobs, and see what is left."""
    until = time.monotonic() + 60 * minutes
    out, place = out.resolve(), (folder or Path(tempfile.mkdtemp())).resolve()
    done = place / "trials.jsonl"
    if not done.exists():
        shutil.rmtree(place, ignore_errors=True)
        write_base(place)
        done.touch()
    trials = [json.loads(line) for line in done.read_text().splitlines()]
    jobs = [job for job in (*COMPUTING, *READING) if not only or job.name in only]
    with serving(place / "served") as address:
        write_served(place, address)
        killing = Range(place, ready_server())
        for number in range(len(trials), kills):
            if time.monotonic() > until:
                return
            kind = (signal.SIGKILL, signal.SIGTERM)[(number % len(jobs) + number // len(jobs)) % 2]
            trial = killing.trial(jobs[number % len(jobs)], kind, random.Random(number))
            trials.append(asdict(trial))
            with done.open("a") as log:
                log.write(json.dumps(trials[-1]) + "\n")
            print(number + 1, trial, flush=True)
    struck = Counter((trial["job"], trial["signal"]) for trial in trials)
    record = {
        "machine": {"processor": platform.processor() or platform.machine(), "cores": os.cpu_count()},
        "load": os.getloadavg(),
        "kills": len(trials),
        "by_job": {job.name: {kind: struck[job.name, kind] for kind in ("SIGKILL", "SIGTERM")} for job in jobs},
        "exit_codes": dict(Counter(str(trial["code"]) for trial in trials)),
        "seconds_of_the_undisturbed": {name: round(seconds, 2) for name, (seconds, _) in killing.whole.items()},
        "differed": [trial for trial in trials if trial["differs"]],
        "processes_left": [trial for trial in trials if trial["left"]],
    }
    write_text(out, json.dumps(record, indent=1) + "\n")
    if folder is None:
        shutil.rmtree(place)


if __name__ == "__main__":
    typer.run(main)
