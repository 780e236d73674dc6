"""`spsr evaluate`."""

from typing import Annotated

import pandas as pd
import typer

from spsr.cli.options import Configfile, Device, Seed, Set, configured
from spsr.cli.progress_bar import progress_bar
from spsr.cli.score_tables import print_means
from spsr.evaluation.evaluate import evaluate as run
from spsr.evaluation.score_files import means_by_dataset, read_csv


def evaluate(
    method: Annotated[str, typer.Argument(help="Method name; `spsr methods` lists them.")],
    configfile: Configfile = None,
    seed: Seed = 0,
    changes: Set = None,
    device: Device = None,
) -> None:
    """Super-resolve and score every benchmark of a preset with one run of a method."""
    config = configured(configfile, changes, device)
    config.method(method)
    with progress_bar("evaluate") as report:
        files = run(config, method, seed, report)
    for file in files:
        print(file)
    if files:
        scores = [read_csv(file) for file in files]
        named = [
            frame.assign(image=f"{file.stem}/" + frame["image"]) for file, frame in zip(files, scores, strict=True)
        ]
        print_means(means_by_dataset(pd.concat(named)), config.preset.lpips)
