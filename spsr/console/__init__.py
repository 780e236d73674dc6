"""What a run of the workflow shows.

Snakemake's own log under `.snakemake/log` keeps everything else.
"""

import logging
from typing import Any

from rich.console import Console

from spsr.console.view import WorkflowView


def take_over(logger: logging.Logger, settings: Any) -> None:
    """Put this view in the place of Snakemake's own terminal output.

    What was asked for instead stays as it is: a logger plug-in, `--quiet`, `--verbose`, `--printshellcmds` or
    `--debug-dag`; so does the log file.

    Args:
        logger: Snakemake's.
        settings: Snakemake's settings of its output.
    """
    if settings.quiet or settings.verbose or settings.printshellcmds or settings.debug_dag:
        return
    for handler in list(logger.handlers):
        if handler.name == "DefaultStreamHandler":
            logger.removeHandler(handler)
            logger.addHandler(
                WorkflowView(Console(stderr=True, highlight=False, markup=False, emoji=False), dry_run=settings.dryrun)
            )
