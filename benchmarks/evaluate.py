"""CPU time of scoring several methods' images: a process a method, by another checkout, and one process for all.

    python benchmarks/evaluate.py IMAGES_FOLDER --before CHECKOUT [--methods 5] [--rounds 3] [--record FILE]

IMAGES_FOLDER holds HR images; the methods' images are made of the first ten. Both ways run in turn, imports and checks
included, and must give the same bytes. LPIPS's network is that of `resources/weights`.
"""

import argparse
import json
import os
import platform
import resource
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

import numpy as np
import yaml

from spsr.config import CONFIGS, load
from spsr.data import weights
from spsr.data.benchmark import prepare_benchmark
from spsr.data.image_sets import ImageSet
from spsr.files import write_text
from spsr.images import bicubic, image_index, read_rgb, select_role, write_png

PRESET = "benchmark"


def write_preset(originals: dict[str, Path], methods: int) -> list[str]:
    """A preset in the current folder whose rows are images: bicubic ones with more and more noise."""
    names = [f"method_{number}" for number in range(methods)]
    for number, name in enumerate(names):
        for stem, file in originals.items():
            image = bicubic(read_rgb(file))
            noise = np.random.default_rng(number).normal(scale=number, size=image.shape)
            write_png(Path(name) / "Set14" / f"{stem}.png", np.clip(image + noise, 0, 255).astype(np.uint8))
    rows = {name: {"name": name, "from_images": name, "tables": ["table2"]} for name in names}
    data = {"train": {"scikit_image": ["coins"]}, "benchmarks": {"Set14": {"folder": "hr"}}}
    preset = {"preset": PRESET, "mark": "a measurement", "seeds": [0], "data": data, "results": rows, "only": []}
    preset |= {"tables": ["table2"], "recipe": {"like": "official", "replicas": 1, "fusion_warmup": 0}}
    Path("preset.yaml").write_text(yaml.safe_dump(preset), encoding="utf-8")
    prepare_benchmark("Set14", ImageSet(originals), load("preset.yaml").layout.benchmark("Set14"))
    return names


def processor_seconds(checkout: Path, *names: str) -> float:
    """What `spsr evaluate` takes of the processor, by the package of a checkout."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    environment = os.environ | {"PYTHONPATH": str(checkout), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-P", "-m", "spsr", "evaluate", *names, "--configfile", "preset.yaml"]
    subprocess.run(command, env=environment, check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def scores() -> dict[str, bytes]:
    """The files of scores, which are taken away."""
    found = {str(file): file.read_bytes() for file in sorted(Path("results").rglob("scores/**/*.csv"))}
    shutil.rmtree("results")
    return found


def measure(originals: dict[str, Path], before: Path, methods: int, rounds: int) -> dict[str, object]:
    names = write_preset(originals, methods)
    seconds: dict[str, list[float]] = {"a process a method, before": [], "one process": []}
    for _ in range(rounds):
        seconds["a process a method, before"].append(sum(processor_seconds(before, name) for name in names))
        earlier = scores()
        seconds["one process"].append(processor_seconds(CONFIGS.parent, *names))
        if scores() != earlier:
            raise SystemExit("the two ways give other scores")
    ratios = [now / then for then, now in zip(*seconds.values(), strict=True)]
    return {
        "images": len(originals),
        "methods": methods,
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "load": round(os.getloadavg()[0], 1),
        "processor_seconds": {way: [round(value, 2) for value in values] for way, values in seconds.items()},
        "ratio": {"median": round(median(ratios), 3), "least": round(min(ratios), 3), "most": round(max(ratios), 3)},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("images", type=Path)
    parser.add_argument("--before", type=Path, required=True, help="checkout whose `spsr evaluate` takes one method")
    parser.add_argument("--most", type=int, default=10, help="images that are taken")
    parser.add_argument("--methods", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--record", type=Path, default=Path(__file__).with_suffix(".json"))
    options = parser.parse_args()
    found = list(select_role(image_index(options.images.resolve()), "HR").items())[: options.most]
    lpips, before, record = weights.path("alexnet").resolve(), options.before.resolve(), options.record.resolve()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        os.environ["SPSR_RESOURCES"] = str(Path(folder) / "resources")
        weights.stored("alexnet").parent.mkdir(parents=True)
        weights.stored("alexnet").symlink_to(lpips)
        result = measure(
            {stem.removesuffix("_HR"): file for stem, file in found}, before, options.methods, options.rounds
        )
        os.chdir(record.parent)
    print(json.dumps(result, indent=1))
    write_text(record, json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
