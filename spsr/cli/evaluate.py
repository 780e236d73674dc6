"""`spsr evaluate`."""

from pathlib import Path
from typing import Annotated

import pandas as pd
import typer

from spsr.cli.options import Configfile, Device, Seed, Set, configured
from spsr.cli.progress_bar import progress_bar
from spsr.cli.score_tables import print_means
from spsr.config import Config
from spsr.evaluation.evaluate import Part
from spsr.evaluation.evaluate import evaluate as run
from spsr.evaluation.score_files import means_by_dataset, read_csv


def evaluate(
    methods: Annotated[list[str], typer.Argument(help="Method names; `spsr methods` lists them.")],
    configfile: Configfile = None,
    seed: Seed = 0,
    only: Annotated[
        Part | None, typer.Option("--only", help="Make the images only, or score only those that are there.")
    ] = None,
    changes: Set = None,
    device: Device = None,
) -> None:
    """Super-resolve every benchmark of a preset with one run of each method, and score the images."""
    config = configured(configfile, changes, device)
    for method in methods:
        config.method(method)
    with progress_bar("evaluate") as report:
        files = run(config, methods, seed, only, report)
    for file in files:
        print(file)
    if files and only != "upscale":
        for method in methods:
            print_means(_means(config, method, seed, files), config.preset.lpips, method)


def _means(config: Config, method: str, seed: int, files: list[Path]) -> pd.DataFrame:
    """The means of one of the methods whose score files these are."""
    its = {dataset: config.layout.scores(method, seed, dataset) for dataset in config.preset.data.benchmarks}
    frames = [(dataset, read_csv(file)) for dataset, file in its.items() if file in files]
    return means_by_dataset(pd.concat(frame.assign(image=f"{dataset}/" + frame["image"]) for dataset, frame in frames))
