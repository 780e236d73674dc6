"""CPU time of evaluating several methods: a process a method, by another checkout, and one process for all.

    python benchmarks/evaluate.py IMAGES_FOLDER --before CHECKOUT [--methods 5] [--rounds 3] [--record FILE]
    python benchmarks/evaluate.py IMAGES_FOLDER --before CHECKOUT --checkpoints FILE ... [--record FILE]

IMAGES_FOLDER holds HR images, of which the first ten are taken. The methods' images are made from them first, so that
scoring is measured alone, or by networks in checkpoint files as part of what is measured. Both ways run in turn,
imports and checks included, and must give the same scores; where each way makes the images, a pixel may differ by a
level, and the record says by how much the scores do. LPIPS's network is that of `resources/weights`.
"""

import argparse
import json
import os
import platform
import shutil
import tempfile
from pathlib import Path
from statistics import median

import numpy as np
import pandas as pd
import yaml
from checkouts import spsr

from spsr.config import CONFIGS, load
from spsr.data import weights
from spsr.data.benchmark import prepare_benchmark
from spsr.data.image_sets import ImageSet
from spsr.files import write_text
from spsr.images import bicubic, image_index, read_rgb, select_role, write_png

PRESET = "benchmark"


def foreign_images(originals: dict[str, Path], methods: int) -> list[dict[str, str]]:
    """Rows of images in the current folder: bicubic ones with more and more noise."""
    names = [f"images_{number}" for number in range(methods)]
    for number, name in enumerate(names):
        for stem, file in originals.items():
            image = bicubic(read_rgb(file))
            noise = np.random.default_rng(number).normal(scale=number, size=image.shape)
            write_png(Path(name) / "Set14" / f"{stem}.png", np.clip(image + noise, 0, 255).astype(np.uint8))
    return [{"from_images": name} for name in names]


def write_preset(originals: dict[str, Path], sources: list[dict[str, str]]) -> list[str]:
    """A preset in the current folder with a row for each source of images; the names of its rows."""
    names = [f"method_{number}" for number in range(len(sources))]
    rows = {name: {"name": name, "tables": ["table2"]} | source for name, source in zip(names, sources, strict=True)}
    data = {"train": {"scikit_image": ["coins"]}, "benchmarks": {"Set14": {"folder": "hr"}}}
    preset = {"preset": PRESET, "mark": "a measurement", "seeds": [0], "data": data, "results": rows, "only": []}
    preset |= {"tables": ["table2"], "recipe": {"like": "official", "replicas": 1, "fusion_warmup": 0}}
    Path("preset.yaml").write_text(yaml.safe_dump(preset), encoding="utf-8")
    prepare_benchmark("Set14", ImageSet(originals), load("preset.yaml").layout.benchmark("Set14"))
    return names


def processor_seconds(checkout: Path, *names: str) -> float:
    """What `spsr evaluate` takes of the processor, by the package of a checkout."""
    return spsr(checkout, "evaluate", *names, "--configfile", "preset.yaml").processor


def scores() -> pd.DataFrame:
    """The numbers in the files of scores, which are taken away."""
    files = sorted(Path("results").rglob("scores/**/*.csv"))
    found = pd.concat([pd.read_csv(file, comment="#", index_col="image") for file in files], keys=map(str, files))
    shutil.rmtree("results")
    return found


def measure(originals: dict[str, Path], before: Path, sources: list[dict[str, str]], rounds: int) -> dict[str, object]:
    names = write_preset(originals, sources)
    seconds: dict[str, list[float]] = {"a process a method, before": [], "one process": []}
    differences = []
    given = "from_images" in sources[0]
    for _ in range(rounds):
        seconds["a process a method, before"].append(sum(processor_seconds(before, name) for name in names))
        earlier = scores()
        seconds["one process"].append(processor_seconds(CONFIGS.parent, *names))
        now = scores()
        alike = (
            now.equals(earlier) if given else now.index.equals(earlier.index) and now.columns.equals(earlier.columns)
        )
        if not alike:
            raise SystemExit("the two ways give other scores")
        differences.append((now - earlier).abs().max())
    ratios = [now / then for then, now in zip(*seconds.values(), strict=True)]
    return {
        "images": len(originals),
        "methods": len(sources),
        "measured": "scoring" if given else "upscaling and scoring",
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "load": round(os.getloadavg()[0], 1),
        "processor_seconds": {way: [round(value, 2) for value in values] for way, values in seconds.items()},
        "largest_difference_of_scores": pd.concat(differences, axis=1).max(axis=1).to_dict(),
        "ratio": {"median": round(median(ratios), 3), "least": round(min(ratios), 3), "most": round(max(ratios), 3)},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("images", type=Path)
    parser.add_argument("--before", type=Path, required=True, help="checkout whose `spsr evaluate` takes one method")
    parser.add_argument("--most", type=int, default=10, help="images that are taken")
    parser.add_argument("--methods", type=int, default=5)
    parser.add_argument("--checkpoints", type=Path, nargs="+", default=[], help="networks that make the images")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--record", type=Path, default=Path(__file__).with_suffix(".json"))
    options = parser.parse_args()
    found = list(select_role(image_index(options.images.resolve()), "HR").items())[: options.most]
    lpips, before, record = weights.path("alexnet").resolve(), options.before.resolve(), options.record.resolve()
    networks = [{"from_checkpoint": str(file.resolve())} for file in options.checkpoints]
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        os.environ["OMP_NUM_THREADS"] = "1"
        os.environ["SPSR_RESOURCES"] = str(Path(folder) / "resources")
        weights.stored("alexnet").parent.mkdir(parents=True)
        weights.stored("alexnet").symlink_to(lpips)
        originals = {stem.removesuffix("_HR"): file for stem, file in found}
        sources = networks or foreign_images(originals, options.methods)
        result = measure(originals, before, sources, options.rounds)
        os.chdir(record.parent)
    print(json.dumps(result, indent=1))
    write_text(record, json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
