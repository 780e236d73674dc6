"""How long the import of a full paper run into MLflow takes, and how large it is, on made-up results of that size.

    python benchmarks/track.py --out benchmarks/track.json

In a temporary folder: every method and seed of `configs/paper.yaml` with scores of 319 images, two sample images, and
5,000 events and ledger entries of a training. Then `spsr track`, twice, each in a process of its own.
"""

import json
import os
import platform
import sqlite3
import sys
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
import typer
from report import IMAGES, LINES, fill_run, link, measured, picture

from spsr.config import CONFIGS, Config, load
from spsr.evaluation.score_files import COLUMNS, write_csv
from spsr.files import write_text
from spsr.images import write_png
from spsr.tracking.experiment import database

SAMPLES = ("Set5", "Set14")


def fill(config: Config) -> int:
    """Write the results; the number of runs."""
    random, runs = np.random.default_rng(0), 0
    for dataset in SAMPLES:
        write_png(Path(f"{dataset}.png"), picture(*IMAGES[dataset][1], seed=0))
    for method in config.methods:
        for seed in config.seeds(method):
            runs += 1
            for dataset, (count, _) in IMAGES.items():
                scores = random.uniform((0.1, 20, 0.6, 0.6), (0.4, 32, 0.9, 0.9), (count, 4))
                frame = pd.DataFrame(scores, columns=list(COLUMNS[1:]))
                frame.insert(0, "image", [f"img_{i:03d}" for i in range(count)])
                write_csv(frame, config.layout.scores(method, seed, dataset))
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


def stored(config: Config) -> dict[str, float]:
    """Size of the store and number of its points."""
    store = database(config)
    with closing(sqlite3.connect(store)) as opened:
        (points,) = opened.execute("SELECT COUNT(*) FROM metrics").fetchone()
    return {"store_mb": round(store.stat().st_size / 1e6, 1), "points": points}


def main(out: Annotated[Path, typer.Option(help="Where to write what was measured.")]) -> None:
    """Measure, and write the numbers as JSON."""
    out = out.resolve()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        os.environ["SPSR_RESOURCES"] = f"{folder}/resources"
        config = load(CONFIGS / "paper.yaml")
        command = [sys.executable, "-m", "spsr", "track", "--configfile", str(config.path)]
        record: dict[str, object] = {
            "machine": {"processor": platform.processor() or platform.machine(), "cores": os.cpu_count()},
            "load": os.getloadavg(),
            "runs": fill(config),
            "events_of_a_run": LINES,
            "import": measured(command) | stored(config),
            "second_import": measured(command) | stored(config),
        }
    write_text(out, json.dumps(record, indent=1) + "\n")
    print(out.read_text())


if __name__ == "__main__":
    typer.run(main)
