"""Made-up results of a small preset, for tests of everything that reads results."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

from spsr.config import CONFIGS, Config, load
from spsr.evaluation.score_files import COLUMNS, write_csv
from spsr.files import write_text
from spsr.images import write_png

PASSPORT = '{"name": "Set14", "source": "made up", "count": 3, "images": [], "problems": []}'
BENCHMARKS = ("Set5", "Set14", "BSD100", "General100", "Urban100")


_STEPS = {"batch": 2, "patch": 64, "learning_rate": 1e-4, "milestones": [10], "log_every": 2, "checkpoint_every": 10}
_SCHEDULES = {
    "psnr": _STEPS | {"iterations": 60, "batch": 4, "learning_rate": 1e-3, "milestones": [40], "log_every": 5},
    "gan": _STEPS | {"iterations": 20},
    "natsr": _STEPS | {"iterations": 20, "learning_rate": 2e-4},
    "sftgan": _STEPS | {"iterations": 20, "warmup": 3},
    "naturalness": _STEPS | {"iterations": 60, "batch": 8, "learning_rate": 1e-3, "milestones": []},
}


def toy_config(folder: Path, **changes: object) -> Config:
    """The quick preset under the name `toy`, from the official start, with top-level keys replaced."""
    data = yaml.safe_load((CONFIGS / "quick.yaml").read_text(encoding="utf-8"))
    kept = {name: data["schedules"][name] for name in ("contrastive", "jigsaw")}
    for group in (*kept.values(), data["probe"]["contrastive"], data["probe"]["jigsaw"]):
        group["learning_rate"] = float(group["learning_rate"])
    data.update(
        preset="toy",
        mark="toy: numbers made up for a test",
        recipe={"like": "official", "replicas": 1, "fusion_warmup": 3},
        schedules=_SCHEDULES | kept,
    )
    data.update(changes)
    path = folder / "toy.yaml"
    path.write_text(yaml.safe_dump(data), encoding="utf-8")
    return load(path)


def made_up_scores(config: Config, name: str, seed: int, dataset: str, images: int) -> pd.DataFrame:
    """Plausible scores: a level for each method and one for each image, with a little noise."""
    methods = sorted(config.methods)
    level = methods.index(name) / len(methods)
    random = np.random.default_rng([methods.index(name), seed, BENCHMARKS.index(dataset)])
    image_level = np.random.default_rng(BENCHMARKS.index(dataset)).normal(size=images)
    noise = random.normal(scale=0.05, size=(4, images))
    psnr = 26 + 2 * level + 2 * image_level + noise[0]
    ssim = np.clip(0.8 + 0.03 * level + 0.02 * image_level + 0.01 * noise[1], 0, 1)
    lpips = np.clip(0.3 - 0.15 * level - 0.02 * image_level + 0.01 * noise[2], 0.01, 1)
    rows = zip([f"im_{i:03d}" for i in range(images)], lpips, psnr, ssim, ssim * 0.95, strict=True)
    return pd.DataFrame(rows, columns=list(COLUMNS))


def write_scores(config: Config, images: int = 3, methods: tuple[str, ...] | None = None) -> None:
    """Scores of every run of `methods`, by default of all."""
    names = methods or tuple(config.methods)
    for name in names:
        for seed in config.seeds(name):
            for dataset in config.preset.data.benchmarks:
                frame = made_up_scores(config, name, seed, dataset, images)
                write_csv(frame, config.layout.scores(name, seed, dataset))


def write_run(config: Config, name: str, seed: int, steps: int = 20) -> None:
    """The files of a finished training, with falling losses."""
    run = config.layout.run(name, seed).path
    terms = ["pixel/image"]
    if name in config.methods:
        terms = [term.name for term in config.method(name).losses.terms()]
    lines = [
        json.dumps(
            {
                "step": step,
                "lr": 1e-4 if step < steps // 2 else 5e-5,
                "losses": {term: (1 + i) * 0.5 ** (step / steps) for i, term in enumerate(terms)},
            }
        )
        for step in range(0, steps, 2)
    ]
    write_text(run / "events.jsonl", "\n".join(lines) + "\n")
    settings = config.training_settings(name, seed)
    record = {"settings": settings.model_dump(mode="json"), "inputs": {}, "versions": {}}
    write_text(run / "run.yaml", yaml.safe_dump(record))
    write_text(run / "ledger.jsonl", json.dumps({"event": "end", "seconds": 12.5, "steps": steps}) + "\n")
    (run / "model.safetensors").write_bytes(b"made up")


def write_results(config: Config, methods: tuple[str, ...]) -> None:
    """Scores and images of `methods`, and finished trainings of those that are trained."""
    write_scores(config, methods=methods)
    for name in methods:
        if config.method(name).source == "trained":
            write_run(config, name, 0)
    write_images(config, methods)


def photograph(index: int, side: int = 96) -> np.ndarray:
    """A made-up image with edges, stripes and a gradient: uint8 side×side×3."""
    y, x = np.mgrid[0:side, 0:side] / side
    stripes = 0.5 + 0.5 * np.sign(np.sin((10 + 3 * index) * np.pi * (x + 0.4 * y)))
    disc = ((x - 0.6) ** 2 + (y - 0.4) ** 2 < 0.06).astype(float)
    rgb = np.stack([0.6 * stripes + 0.3 * disc, 0.4 * y + 0.5 * disc, 0.7 * x + 0.2 * stripes], axis=-1)
    return (255 * np.clip(rgb, 0, 1)).astype(np.uint8)


def write_benchmarks(config: Config, images: int = 1) -> None:
    """Prepared benchmarks that an evaluation takes."""
    write_images(config, (), images)
    for dataset in config.preset.data.benchmarks:
        config.layout.passport(dataset).write_text(PASSPORT)


def write_images(config: Config, methods: tuple[str, ...], images: int = 1) -> None:
    """Prepared benchmarks, and results that are the originals with a little noise."""
    from spsr.evaluation.lpips_map import write_map
    from spsr.images import bicubic, degrade

    for d, dataset in enumerate(config.preset.data.benchmarks):
        for i in range(images):
            hr = photograph(d + i)
            name = f"im_{i:03d}.png"
            write_png(config.layout.benchmark(dataset) / "HR" / name, hr)
            write_png(config.layout.benchmark(dataset) / "LR" / name, degrade(hr))
            for m, method in enumerate(methods):
                noise = np.random.default_rng([m, i, d]).normal(scale=4 + 3 * m, size=hr.shape)
                sr = bicubic(hr) if method == "bicubic" else np.clip(hr + noise, 0, 255).astype(np.uint8)
                for seed in config.seeds(method):
                    write_png(config.layout.images(method, seed, dataset) / name, sr)
                    where = np.abs(sr - hr.astype(np.float32)).mean(axis=2) / 255
                    write_map(config.layout.lpips_maps(method, seed, dataset) / name, where)
