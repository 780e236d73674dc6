"""How long and how large the report of a full paper run is, on made-up results of that size.

    python benchmarks/report.py --out benchmarks/report.json

In a temporary folder: every method and seed of `configs/paper.yaml` with scores of 319 images, their files and LPIPS
maps (hard links to one image of each size), a ledger and events of 5,000 lines, weights of 1 MB. Then `spsr report`,
in a process of its own; with Chromium at hand also the time until the page has drawn itself.
"""

import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
import typer
import yaml
from chromium import CHROMIUM, page

from spsr.config import CONFIGS, Config, load
from spsr.evaluation.score_files import COLUMNS, write_csv
from spsr.files import write_text
from spsr.images import write_png

IMAGES = {
    "Set5": (5, (288, 288)),
    "Set14": (14, (512, 512)),
    "BSD100": (100, (480, 320)),
    "General100": (100, (400, 400)),
    "Urban100": (100, (1024, 768)),
}
"""Number and a usual size (width, height) of the benchmarks' images."""

LINES = 5000


def picture(width: int, height: int, seed: int) -> np.ndarray:
    """Smooth structure with a little noise, as photographs compress."""
    y, x = np.mgrid[0:height, 0:width]
    waves = np.stack([np.sin((x * (c + 1) + y * (seed % 7)) / 23) for c in range(3)], axis=-1)
    noise = np.random.default_rng(seed).normal(scale=4, size=(height, width, 3))
    return np.clip(128 + 90 * waves + noise, 0, 255).astype(np.uint8)


def link(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    os.link(source, target)


def fill(config: Config) -> int:
    """Write the results; the number of runs."""
    layout, random = config.layout, np.random.default_rng(0)
    names = names_of_images()
    for dataset, (_, (width, height)) in IMAGES.items():
        for number, name in enumerate(names[dataset]):
            write_png(layout.benchmark(dataset) / "HR" / f"{name}.png", picture(width, height, number))
        write_png(Path(f"map-{dataset}.png"), picture(width // 4, height // 4, 1)[:, :, 0])
    runs = 0
    for method in config.methods:
        for seed in config.seeds(method):
            runs += 1
            for dataset, images in names.items():
                fill_scores(layout.scores(method, seed, dataset), images, random)
                for name in images:
                    original = layout.benchmark(dataset) / "HR" / f"{name}.png"
                    link(original, layout.images(method, seed, dataset) / f"{name}.png")
                    link(Path(f"map-{dataset}.png"), layout.lpips_maps(method, seed, dataset) / f"{name}.png")
            if config.method(method).source == "trained":
                fill_run(config, method, seed)
    return runs


def names_of_images() -> dict[str, list[str]]:
    """Of each benchmark."""
    return {dataset: [f"img_{i:03d}" for i in range(count)] for dataset, (count, _) in IMAGES.items()}


def fill_scores(file: Path, images: list[str], random: np.random.Generator) -> None:
    """A file of scores of these images."""
    scores = random.uniform((0.1, 20, 0.6, 0.6), (0.4, 32, 0.9, 0.9), (len(images), 4))
    frame = pd.DataFrame(scores, columns=list(COLUMNS[1:]))
    frame.insert(0, "image", images)
    write_csv(frame, file)


def fill_run(config: Config, method: str, seed: int) -> None:
    """The files that a training leaves."""
    folder = config.layout.run(method, seed).path
    settings = config.training_settings(method, seed).model_dump(mode="json")
    write_text(folder / "run.yaml", yaml.safe_dump({"settings": settings, "inputs": {}, "versions": {}}))
    terms = {term.name: 0.1 for term in config.method(method).losses.terms()}
    lines = [json.dumps({"step": 100 * i, "lr": 1e-4, "losses": terms}) for i in range(1, LINES + 1)]
    write_text(folder / "events.jsonl", "\n".join(lines) + "\n")
    entry = {"seconds": 9.0, "iterations_per_s": 11.0, "samples_per_s": 165.0, "data_wait": 0.01, "tflops": 90.0}
    lines = [json.dumps({"step": 100 * i, "time": 1e9 + 9 * i, **entry}) for i in range(1, LINES + 1)]
    write_text(folder / "ledger.jsonl", "\n".join(lines) + "\n")
    (folder / "model.safetensors").write_bytes(bytes(2**20))


def measured(command: list[str]) -> dict[str, float]:
    """Wall and processor seconds, and peak memory, of a command."""
    began = time.perf_counter()
    child = subprocess.Popen(command)
    _, status, usage = os.wait4(child.pid, 0)
    if status:
        raise SystemExit(f"{' '.join(command)}: failed")
    seconds = {"seconds": time.perf_counter() - began, "cpu_seconds": usage.ru_utime + usage.ru_stime}
    return {name: round(value, 2) for name, value in seconds.items()} | {
        "peak_memory_mb": round(usage.ru_maxrss / 1024)
    }


@contextmanager
def empty_paper() -> Iterator[Config]:
    """The preset of the paper in a temporary folder, which is the current one."""
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        os.environ["SPSR_RESOURCES"] = f"{folder}/resources"
        yield load(CONFIGS / "paper.yaml")


def opened(report: Path) -> float:
    """Seconds until the browser's load event, by the page's own clock."""
    with page() as browser:
        browser.open(report.resolve().as_uri(), "performance.getEntriesByType('navigation')[0]?.loadEventEnd > 0")
        return float(browser.value("performance.getEntriesByType('navigation')[0].loadEventEnd")) / 1000


def main(out: Annotated[Path, typer.Option(help="Where to write what was measured.")]) -> None:
    """Measure, and write the numbers as JSON."""
    out = out.resolve()
    with empty_paper() as config:
        runs = fill(config)
        preset = ["--configfile", str(config.path)]
        record: dict[str, object] = {
            "machine": {"processor": platform.processor() or platform.machine(), "cores": os.cpu_count()},
            "runs": runs,
            "images": sum(count for count, _ in IMAGES.values()),
            "figures": measured([sys.executable, "-m", "spsr", "figure", "all", *preset]),
            "report": measured([sys.executable, "-m", "spsr", "report", *preset]),
            "page_mb": round(config.layout.report.stat().st_size / 1e6, 2),
            "standalone": measured([sys.executable, "-m", "spsr", "report", "--standalone", *preset]),
        }
        standalone = config.layout.report.with_name("report-standalone.html")
        record["standalone_mb"] = round(standalone.stat().st_size / 1e6, 2)
        if CHROMIUM is not None:
            record["opened_seconds"] = sorted(round(opened(config.layout.report), 2) for _ in range(3))
            record["standalone_opened_seconds"] = round(opened(standalone), 2)
    write_text(out, json.dumps(record, indent=1) + "\n")
    print(out.read_text())


if __name__ == "__main__":
    typer.run(main)
