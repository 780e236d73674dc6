"""Eight trainings log to an MLflow server that dies, hangs, answers 500 and has a full disk; what it costs a step.

    python benchmarks/mlflow_storm.py --out benchmarks/mlflow_storm.json

In a temporary folder: eight real trainings of a small network, which log to a server that a fault strikes every few
seconds, and at the same time on the same cores eight that log to none. Then the server is well, `spsr track` imports,
and every point of every training has to be there once. Recorded is the processor time that the thread that takes the
steps needs for one: what it waits for on a busy machine does not count, what tracking makes it do does.
"""

import json
import os
import platform
import random
import resource
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from statistics import median
from typing import Annotated

import psutil
import typer
import yaml
from servers import answers, free_port, start_mlflow, until

from spsr.cli.live import logged_live
from spsr.config import CONFIGS, Config, load
from spsr.config.run_folder import RunFolder
from spsr.files import write_text
from spsr.progress import silent
from spsr.training.execution import Execution
from spsr.training.loop import carry_out
from spsr.training.method_training import method_training

METHOD, TRAININGS = "rcan", 8
FAULT, BETWEEN = 12.0, 4.0
"""Seconds that a fault takes, in which each sender wants to send once, and seconds until the next."""


class Unlucky:
    """A server of MLflow over SQLite to which things happen; it stays at one port."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        self.folder, self.port = folder, free_port()
        self.address = f"http://127.0.0.1:{self.port}"
        self.start()

    def start(self) -> None:
        self.process = start_mlflow(self.folder, f"sqlite:///{self.folder}/mlflow.db", self.port)

    def die(self) -> None:
        """All its processes at once, whatever they are doing."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        until(lambda: not answers(self.port), "the end of MLflow's server")

    @contextmanager
    def hanging(self) -> Iterator[None]:
        """It takes connections and requests, and answers them afterwards."""
        os.killpg(self.process.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.killpg(self.process.pid, signal.SIGCONT)

    @contextmanager
    def without_space(self) -> Iterator[None]:
        """It cannot write a byte more to any file."""
        self._may_write(0)
        try:
            yield
        finally:
            self._may_write(resource.RLIM_INFINITY)

    def _may_write(self, most: int) -> None:
        this = psutil.Process(self.process.pid)
        for process in (this, *this.children(recursive=True)):
            resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (most, resource.RLIM_INFINITY))

    @contextmanager
    def dead_and_replaced(self) -> Iterator[None]:
        """It is dead; something that answers 500 to everything has its port, and then it starts again."""
        self.die()
        impostor = ThreadingHTTPServer(("127.0.0.1", self.port), _Broken)
        threading.Thread(target=impostor.serve_forever, daemon=True).start()
        try:
            yield
        finally:
            impostor.shutdown()
            impostor.server_close()
            self.start()

    @contextmanager
    def dead(self) -> Iterator[None]:
        """Nothing is there, and then it starts again."""
        self.die()
        yield
        self.start()


class _Broken(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_error(500)

    do_POST = do_GET  # noqa: N815

    def log_message(self, *_: object) -> None:
        pass


def points_of(address: str, config: Config) -> dict[str, Counter[tuple[str, int]]]:
    """How often each point is on the server, over all runs of a name that are not deleted."""
    from mlflow import MlflowClient

    from spsr.tracking.experiment import all_runs, experiment_name

    client = MlflowClient(address)
    found: dict[str, Counter[tuple[str, int]]] = {}
    for run in all_runs(client, client.get_experiment_by_name(experiment_name(config)).experiment_id):
        counted = found.setdefault(run.info.run_name, Counter())
        for name in run.data.metrics:
            counted.update((name, point.step) for point in client.get_metric_history(run.info.run_id, name))
    return found


def preset(folder: Path, iterations: int) -> Config:
    """Trainings that take a while and compute little, on photographs that scikit-image has."""
    data = yaml.safe_load((CONFIGS / "quick.yaml").read_text(encoding="utf-8"))
    schedule = data["schedules"]["psnr"] | {"iterations": iterations, "log_every": 10, "checkpoint_every": iterations}
    data |= {
        "preset": "storm",
        "seeds": list(range(TRAININGS)),
        "tables": ["table1"],
        "figures": [],
        "schedules": data["schedules"] | {"psnr": schedule},
    }
    data["networks"][METHOD] = {"features": 4, "groups": 1, "blocks": 1, "reduction": 2}
    data["data"]["train"] = {"scikit_image": ["coins"]}
    write_text(folder / "storm.yaml", yaml.safe_dump(data))
    return load(folder / "storm.yaml")


def timed(configfile: str, seed: int) -> None:
    """A training as `spsr train` has it; prints the processor seconds of the thread that takes its steps."""
    config = load(configfile)
    execution = Execution(config.layout.run(METHOD, seed).path, progress=logged_live(config, METHOD, seed, silent))
    training = method_training(config, METHOD, seed)
    began = time.thread_time()
    carry_out(training, execution)
    print(time.thread_time() - began)


def train_all(config: Config, folder: Path, environment: dict[str, str]) -> list[subprocess.Popen[str]]:
    """Start every seed, with its results below a folder."""
    folder.mkdir()
    prepare = [sys.executable, "-m", "spsr", "prepare", "training", "--configfile", str(config.path)]
    subprocess.run(prepare, cwd=folder, check=True)
    commands = [f"from mlflow_storm import timed; timed({str(config.path)!r}, {seed})" for seed in range(TRAININGS)]
    variables = os.environ | environment | {"PYTHONPATH": str(Path(__file__).parent)}
    return [
        subprocess.Popen([sys.executable, "-c", each], cwd=folder, stdout=subprocess.PIPE, text=True, env=variables)
        for each in commands
    ]


def milliseconds_a_step(trainings: list[subprocess.Popen[str]], steps: int) -> list[float]:
    """Of each training, when all have ended."""
    found = [float(training.communicate()[0]) for training in trainings]
    assert not any(training.returncode for training in trainings), "a training failed"
    return [1000 * seconds / steps for seconds in found]


def strike(server: Unlucky, trainings: list[subprocess.Popen[str]], logged: list[Path]) -> Counter[str]:
    """One fault after another, each kind once before any comes again, from when all have logged until all have ended.

    Args:
        logged: what each training logs to.

    Returns:
        How often each kind came while trainings were at work.
    """
    faults = {
        "hangs": server.hanging,
        "full disk": server.without_space,
        "500": server.dead_and_replaced,
        "dies": server.dead,
    }

    def at_work() -> bool:
        return any(each.poll() is None for each in trainings)

    while at_work() and not all(file.is_file() for file in logged):
        time.sleep(0.2)
    order, struck = random.Random(0), Counter(dict.fromkeys(faults, 0))
    while at_work():
        name = min(faults, key=lambda each: (struck[each], order.random()))
        with faults[name]():
            time.sleep(FAULT)
            struck[name] += at_work()
        time.sleep(BETWEEN)
    return struck


def main(
    out: Annotated[Path, typer.Option(help="Where to write what was measured.")],
    iterations: Annotated[int, typer.Option(help="Steps of each training.")] = 2000,
) -> None:
    """Measure, and write the numbers as JSON."""
    out = out.resolve()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.chdir(folder)
        os.environ |= {"SPSR_RESOURCES": f"{folder}/resources", "OMP_NUM_THREADS": "1"}
        os.environ.pop("MLFLOW_TRACKING_URI", None)
        config = preset(folder, iterations)
        server = Unlucky(folder / "unlucky")
        try:
            quiet = train_all(config, folder / "quiet", {})
            trainings = train_all(config, folder / "stormy", {"MLFLOW_TRACKING_URI": server.address})
            runs = [RunFolder(folder / "stormy" / config.layout.run(METHOD, seed).path) for seed in range(TRAININGS)]
            struck = strike(server, trainings, [run.events for run in runs])
            if never := [name for name, times in struck.items() if not times]:
                raise SystemExit(f"the trainings ended before: {', '.join(never)}; give them more --iterations")
            stormy_ms, quiet_ms = (milliseconds_a_step(each, iterations) for each in (trainings, quiet))
            os.chdir(folder / "stormy")
            environment = os.environ | {"MLFLOW_TRACKING_URI": server.address}
            track = [sys.executable, "-m", "spsr", "track", "--configfile", str(config.path)]
            subprocess.run(track, env=environment, check=True)
            points = points_of(server.address, config)
        finally:
            server.die()
        logs = [run.live_log for run in runs]
        logged = sum(1 + len(event["losses"]) for run in runs for event in run.read_events())
        there = sum(len(counted) for counted in points.values())
        record = {
            "machine": {"processor": platform.processor() or platform.machine(), "cores": os.cpu_count()},
            "load": os.getloadavg(),
            "trainings": TRAININGS,
            "steps": iterations,
            "faults": dict(struck),
            "failures_noted_by_senders": sum(len(log.read_text().splitlines()) for log in logs if log.is_file()),
            "cpu_ms_of_a_step": {
                "without a server": [round(each, 2) for each in sorted(quiet_ms)],
                "in the storm": [round(each, 2) for each in sorted(stormy_ms)],
            },
            "ratio_of_medians": round(median(stormy_ms) / median(quiet_ms), 3),
            "points": there,
            "missing": logged - there,
            "doubled": sum(counted.total() - len(counted) for counted in points.values()),
        }
    write_text(out, json.dumps(record, indent=1) + "\n")
    print(out.read_text())


if __name__ == "__main__":
    typer.run(main)
