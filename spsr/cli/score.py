"""`spsr score`."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from spsr.cli.progress_bar import progress_bar
from spsr.cli.score_tables import print_images, print_ladder, print_means
from spsr.evaluation import score_files
from spsr.evaluation.ladder import protocol_ladder
from spsr.evaluation.pairs import match
from spsr.evaluation.score import score_pairs
from spsr.files import check_outputs


def score(
    sr: Annotated[Path, typer.Argument(help="Folder of super-resolved images, yours or someone else's; or one image.")],
    hr: Annotated[Path, typer.Argument(help="Folder of the originals, matched by name; or the one original.")],
    lpips: Annotated[
        Literal["alex", "vgg", "squeeze", "none"], typer.Option("--lpips", help="Backbone of LPIPS.")
    ] = "alex",
    metric: Annotated[
        list[str], typer.Option("--metric", help="Measure this one too: dists, or your own by FILE.py:FUNCTION.")
    ] = [],  # noqa: B006 (typer copies it)
    csv: Annotated[Path | None, typer.Option("--csv", help="Write the scores of each image here.")] = None,
    json: Annotated[Path | None, typer.Option("--json", help="Write means, images and protocols here.")] = None,
    per_image: Annotated[bool, typer.Option("--per-image", help="Print the scores of each image, too.")] = False,
    explain: Annotated[
        bool, typer.Option("--explain", help="Show what each choice of the protocol changes on these images.")
    ] = False,
) -> None:
    """Score super-resolved images: LPIPS, PSNR and SSIM as the paper computes them, and standard SSIM."""
    pairs = match(sr, hr)
    check_outputs({"--csv": csv, "--json": json}, [file for pair in pairs.values() for file in (pair.sr, pair.hr)])
    network = None if lpips == "none" else lpips
    with progress_bar("score") as report:
        frame = score_pairs(pairs, network, metrics=metric, progress=report)
    if csv is not None:
        score_files.write_csv(frame, csv)
    if json is not None:
        score_files.write_json(frame, json, network)
    if per_image:
        print_images(frame, network)
    print_means(score_files.means_by_dataset(frame), network)
    if explain:
        with progress_bar("explain") as report:
            rungs = protocol_ladder(pairs, progress=report)
        print_ladder(rungs)
