"""`spsr score`."""

import math
from pathlib import Path
from typing import Annotated, Literal

import pandas as pd
import typer
from rich.table import Table

from spsr.cli.progress_bar import progress_bar
from spsr.cli.terminal import terminal
from spsr.evaluation import score_files
from spsr.evaluation.ladder import protocol_ladder
from spsr.evaluation.pairs import match_folders
from spsr.evaluation.score import score_pairs
from spsr.files import check_outputs
from spsr.metrics import METRICS


def score(
    sr_dir: Annotated[Path, typer.Argument(help="Folder of super-resolved images, yours or someone else's.")],
    hr_dir: Annotated[Path, typer.Argument(help="Folder of the originals; images are matched by name.")],
    lpips: Annotated[
        Literal["alex", "vgg", "squeeze", "none"], typer.Option("--lpips", help="Backbone of LPIPS.")
    ] = "alex",
    csv: Annotated[Path | None, typer.Option("--csv", help="Write the scores of each image here.")] = None,
    json: Annotated[Path | None, typer.Option("--json", help="Write means, images and protocols here.")] = None,
    explain: Annotated[
        bool, typer.Option("--explain", help="Show what each choice of the protocol changes on these images.")
    ] = False,
) -> None:
    """Score super-resolved images: LPIPS, PSNR and SSIM as the paper computes them, and standard SSIM."""
    pairs = match_folders(sr_dir, hr_dir)
    check_outputs({"--csv": csv, "--json": json}, [file for pair in pairs.values() for file in (pair.sr, pair.hr)])
    network = None if lpips == "none" else lpips
    with progress_bar("score") as report:
        frame = score_pairs(pairs, network, progress=report)
    if csv is not None:
        score_files.write_csv(frame, csv)
    if json is not None:
        score_files.write_json(frame, json, network)
    print_means(score_files.means_by_dataset(frame), network)
    if explain:
        with progress_bar("explain") as report:
            rungs = protocol_ladder(pairs, progress=report)
        print_ladder(rungs)


def print_means(means: pd.DataFrame, lpips: str | None) -> None:
    """Print the dataset means with the digits of the paper's tables."""
    table = Table(title="mean over the images of a dataset")
    table.add_column("dataset")
    table.add_column("images", justify="right")
    for name, metric in METRICS.items():
        table.add_column(f"{metric.title} ({lpips})" if name == "lpips" and lpips else metric.title, justify="right")
    for dataset, row in means.iterrows():
        values = ("–" if math.isnan(row[name]) else metric.shown(row[name]) for name, metric in METRICS.items())
        table.add_row(str(dataset) or "all", f"{row['n_images']:.0f}", *values)
    terminal().print(table)


def print_ladder(rungs: pd.DataFrame) -> None:
    """Print the protocol ladder."""
    table = Table(title="the protocol, step by step")
    for column in rungs.columns:
        table.add_column(str(column), justify="left" if rungs[column].dtype == object else "right")
    for row in rungs.itertuples(index=False):
        table.add_row(*(f"{value:.4f}" if isinstance(value, float) else str(value) for value in row))
    terminal().print(table)
