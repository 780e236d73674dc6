"""`spsr doctor`."""

from itertools import chain
from typing import Annotated

import typer

from spsr.cli.options import Configfile
from spsr.cluster.site import load_site
from spsr.config import load
from spsr.doctor import check_machine, check_slurm
from spsr.pipeline import Pipeline


def doctor(
    configfile: Configfile = None,
    slurm: Annotated[bool, typer.Option("--slurm", help="Check the cluster of configs/site.yaml, too.")] = False,
) -> None:
    """Check that a preset can run here, and with --slurm on the cluster; every line is ok or says what to do."""
    pipeline = Pipeline(load(configfile))
    findings = chain(check_machine(pipeline), check_slurm(load_site(), pipeline.config.layout.root) if slurm else ())
    failed = False
    for finding in findings:
        print(finding, flush=True)
        failed = failed or finding.mark == "FAIL"
    raise typer.Exit(1 if failed else 0)
