"""`spsr fetch`."""

from pathlib import Path
from typing import Annotated

import typer

from spsr.cli.progress_bar import progress_bar
from spsr.config.strict import suggestion
from spsr.data import collection
from spsr.errors import InputError
from spsr.progress import Progress


def fetch(
    names: Annotated[list[str] | None, typer.Argument(help="Datasets and weights; --list shows them.")] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Everything that has an address: a bundle for machines without a network.")
    ] = False,
    folder: Annotated[
        Path | None,
        typer.Option("--from", help="A folder that holds the images or the released weight file already."),
    ] = None,
    listing: Annotated[bool, typer.Option("--list", help="List every name with its state and licence.")] = False,
) -> None:
    """Download and check datasets and pretrained weights; jobs use no network and find them in resources/."""
    if listing:
        for line in collection.listing():
            print(line)
        return
    if everything == bool(names):
        raise InputError("fetch: name datasets or weights, or give --all; `spsr fetch --list` shows the names")
    wanted = collection.automatic() if everything else list(names or [])
    for name in wanted:
        if name not in collection.known():
            raise InputError(f"fetch: no dataset or weights '{name}'{suggestion(name, collection.known())}")
    failures = []
    for name in wanted:
        try:
            with progress_bar(f"fetch {name}") as report:
                for line in collection.fetch(name, folder, _in_megabytes(report)):
                    print(line)
        except InputError as error:
            if not everything:
                raise
            failures.append(name)
            print(f"not fetched: {error}")
    if failures:
        raise InputError(
            f"fetch: {len(failures)} of {len(wanted)} are missing ({', '.join(failures)}); see the lines above"
        )


def _in_megabytes(report: Progress) -> Progress:
    def show(done: float, total: float, current: str) -> None:
        if total > 10**6:
            report(done // 10**6, total // 10**6, f"MB of {current}")
        else:
            report(done, total or 1, current)

    return show
