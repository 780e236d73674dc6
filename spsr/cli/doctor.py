"""`spsr doctor`."""

from collections.abc import Iterator
from typing import Annotated

import typer

from spsr.cli.options import Configfile
from spsr.cluster.site import load_site
from spsr.config import load
from spsr.doctor import Finding, check_machine, check_slurm, check_submissions
from spsr.pipeline import Pipeline


def doctor(
    configfile: Configfile = None,
    slurm: Annotated[bool, typer.Option("--slurm", help="Check the cluster of configs/site.yaml, too.")] = False,
) -> None:
    """Check that a preset can run here, and with --slurm on the cluster; every line is ok or says what to do."""
    failed = False
    for finding in _findings(Pipeline(load(configfile)), slurm):
        print(finding, flush=True)
        failed = failed or finding.mark == "FAIL"
    raise typer.Exit(1 if failed else 0)


def _findings(pipeline: Pipeline, slurm: bool) -> Iterator[Finding]:
    yield from check_machine(pipeline)
    if slurm:
        yield from check_slurm(load_site(), pipeline.config.layout.root)
        yield from check_submissions(pipeline.config)
