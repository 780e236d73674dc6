"""How long the import of a full paper run into MLflow takes, and how large it is, on made-up results of that size.

    python benchmarks/track.py --out benchmarks/track.json
    python benchmarks/track.py --postgres --out benchmarks/track_postgres.json

In a temporary folder: every method and seed of `configs/paper.yaml` with scores of 319 images, two sample images, and
5,000 events and ledger entries of a training. Then `spsr track`, in a process of its own, and again. With `--postgres`
it goes to a server of MLflow over a PostgreSQL of this machine (`apt-get install postgresql`), to which eight of the
trainings log live all the while; they are finished, and imported too, after the first import. With Chromium at hand
also how long the pages of all runs and of one run's charts take to open; those of SQLite are served by `spsr ui`.
"""

import json
import os
import platform
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import Annotated

import numpy as np
import sqlalchemy
import typer
from chromium import CHROMIUM, page
from report import IMAGES, LINES, empty_paper, fill_run, fill_scores, link, measured, names_of_images, picture
from servers import free_port, mlflow_server, postgres, postgres_programs

from spsr.config import Config
from spsr.files import write_text
from spsr.images import write_png
from spsr.tracking.experiment import database, experiment_name
from spsr.tracking.views import ALL_RUNS
from spsr.tracking.views import address as view_address

SAMPLES = ("Set5", "Set14")
_NAMES = "/-seed[0-9]/.test(document.body.innerText)"
_CHARTS = "document.querySelectorAll('.js-plotly-plot .main-svg').length >= 6"

BROWSERS = 5
"""How often the pages are opened."""

LIVE = 8
"""Trainings that log while the others are imported."""


def fill(config: Config) -> int:
    """Write the results; the number of runs."""
    random, runs = np.random.default_rng(0), 0
    for dataset in SAMPLES:
        write_png(Path(f"{dataset}.png"), picture(*IMAGES[dataset][1], seed=0))
    for method in config.methods:
        for seed in config.seeds(method):
            runs += 1
            for dataset, images in names_of_images().items():
                fill_scores(config.layout.scores(method, seed, dataset), images, random)
                if dataset in SAMPLES:
                    link(Path(f"{dataset}.png"), config.layout.images(method, seed, dataset) / "img_000.png")
            if config.method(method).source == "trained":
                fill_run(config, method, seed)
                write_events(config, method, seed)
    return runs


def write_events(config: Config, method: str, seed: int) -> None:
    """All that a training logs: its terms, their sum, and what each discriminator sees."""
    terms = [term.name for term in config.method(method).losses.terms()]
    judged = [name.removeprefix("adversarial/") for name in terms if name.startswith("adversarial/")]
    names = [*terms, "generator", *(f"discriminator/{name}{end}" for name in judged for end in ("", "/real", "/fake"))]
    values = np.random.default_rng(seed).random((LINES, len(names)))
    lines = [
        json.dumps({"step": 100 * i, "lr": 1e-4, "losses": dict(zip(names, map(float, row), strict=True))})
        for i, row in enumerate(values, start=1)
    ]
    write_text(config.layout.run(method, seed).events, "\n".join(lines) + "\n")


@contextmanager
def pages(config: Config) -> Iterator[str]:
    """Where `spsr ui` serves the local store."""
    port = free_port()
    command = [sys.executable, "-m", "spsr", "ui", "--configfile", str(config.path), "--port", str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as served:
        assert served.stdout is not None
        assert any(line.startswith("http") for line in served.stdout), "`spsr ui` ended"
        yield f"http://127.0.0.1:{port}"
        served.send_signal(signal.SIGINT)
        served.communicate()


@contextmanager
def logging_live(config: Config) -> Iterator[None]:
    """Eight trainings that are not finished within the block: each logs a line a second, and has its sender."""
    names = [name for name, method in config.methods.items() if method.source == "trained"][:LIVE]
    runs = [(name, config.seeds(name)[0]) for name in names]
    folders = [config.layout.run(*run) for run in runs]
    scores = [config.layout.scores(*run, dataset) for run in runs for dataset in IMAGES]
    kept = [folder.events.read_text(encoding="utf-8") for folder in folders]
    ended = threading.Event()
    for file in [*(folder.model for folder in folders), *scores]:
        file.rename(f"{file}.later")
    for folder in folders:
        write_text(folder.events, "")

    def grow() -> None:
        line = 0
        while not ended.wait(1):
            line += 1
            for folder, text in zip(folders, kept, strict=True):
                write_text(folder.events, "".join(text.splitlines(keepends=True)[:line]))

    command = [sys.executable, "-m", "spsr.tracking.live", str(config.path)]
    senders = [subprocess.Popen([*command, name, str(seed)], stdin=subprocess.PIPE) for name, seed in runs]
    growing = threading.Thread(target=grow, daemon=True)
    growing.start()
    yield
    ended.set()
    growing.join()
    for sender in senders:
        assert sender.stdin is not None
        sender.stdin.close()
        sender.wait()
    for folder, text in zip(folders, kept, strict=True):
        write_text(folder.events, text)
    for file in [*(folder.model for folder in folders), *scores]:
        Path(f"{file}.later").rename(file)


def stored(store: str) -> dict[str, float]:
    """Size of the database, its points, and how many of them are there a second time."""
    engine = sqlalchemy.create_engine(store)
    with engine.connect() as opened:

        def ask(query: str) -> int:
            return int(opened.execute(sqlalchemy.text(query)).scalar_one())

        if engine.dialect.name == "postgresql":
            size = ask("SELECT pg_database_size(current_database())")
        else:
            size = ask("SELECT page_count * page_size FROM pragma_page_count, pragma_page_size")
        points = ask("SELECT COUNT(*) FROM metrics")
        distinct = ask("SELECT COUNT(*) FROM (SELECT DISTINCT run_uuid, key, step FROM metrics) AS each_once")
    engine.dispose()
    return {"store_mb": round(size / 1e6, 1), "points": points, "doubled": points - distinct}


def opened(config: Config, address: str) -> dict[str, list[float]]:
    """Seconds until a new browser shows the page of all runs, and then the charts of one run's metrics; some times."""
    from mlflow import MlflowClient

    client = MlflowClient(address)
    found = client.get_experiment_by_name(experiment_name(config))
    (run,) = client.search_runs([found.experiment_id], "tags.mlflow.runName = 'spsr_p-seed9'")
    runs = f"{address}/#/experiments/{found.experiment_id}/runs"
    seconds: dict[str, list[float]] = {"runs": [], "charts_of_a_run": []}
    for _ in range(BROWSERS):
        with page() as browser:
            seconds["runs"].append(browser.open(view_address(runs, ALL_RUNS), _NAMES))
            seconds["charts_of_a_run"].append(browser.open(f"{runs}/{run.info.run_id}/model-metrics", _CHARTS))
    return {name: sorted(each) for name, each in seconds.items()}


def main(
    out: Annotated[Path, typer.Option(help="Where to write what was measured.")],
    on_postgres: Annotated[bool, typer.Option("--postgres", help="Into a server over PostgreSQL.")] = False,
) -> None:
    """Measure, and write the numbers as JSON."""
    out = out.resolve()
    with empty_paper() as config:
        command = [sys.executable, "-m", "spsr", "track", "--configfile", str(config.path)]
        record: dict[str, object] = {
            "machine": {"processor": platform.processor() or platform.machine(), "cores": os.cpu_count()},
            "load": os.getloadavg(),
            "runs": fill(config),
            "events_of_a_run": LINES,
        }
        with ExitStack() as servers:
            store = f"sqlite:///{database(config)}"
            beside: AbstractContextManager[None] = nullcontext()
            if on_postgres:
                programs = postgres_programs()
                if programs is None:
                    raise SystemExit("no PostgreSQL here; apt-get install postgresql")
                store, beside = servers.enter_context(postgres(programs)), logging_live(config)
                os.environ["MLFLOW_TRACKING_URI"] = servers.enter_context(mlflow_server(Path.cwd(), store))
            with beside:
                record["import"] = measured(command) | stored(store)
            if on_postgres:
                record["import_of_those_that_logged"] = measured(command) | stored(store)
            record["second_import"] = measured(command) | stored(store)
            if CHROMIUM is not None:
                address = os.environ.get("MLFLOW_TRACKING_URI") or servers.enter_context(pages(config))
                record["opened_seconds"] = opened(config, address)
    write_text(out, json.dumps(record, indent=1) + "\n")
    print(out.read_text())


if __name__ == "__main__":
    typer.run(main)
