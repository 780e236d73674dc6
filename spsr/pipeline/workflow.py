"""What the Snakefile begins with: the preset that was given, and its pipeline."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from spsr.config import load
from spsr.errors import InputError
from spsr.pipeline.graph import Pipeline


def named_preset(configfiles: Sequence[Path | str]) -> str:
    """The preset that Snakemake was given, from the current folder where it lies below it; else the quick preset."""
    given = Path(configfiles[0] if configfiles else "configs/quick.yaml").absolute()
    return str(given.relative_to(Path.cwd()) if given.is_relative_to(Path.cwd()) else given)


def open_pipeline(preset: Path | str) -> Pipeline:
    """The pipeline of a preset file, for the Snakefile: a configuration error is one line and exit code 2."""
    try:
        pipeline = Pipeline(load(preset))
        _ = pipeline.requests
        return pipeline
    except InputError as error:
        end(str(error))


def end(reason: str) -> NoReturn:
    """End the run of the workflow for something that the user has to change: one line and exit code 2."""
    print(f"error: {reason}", file=sys.stderr)
    sys.exit(2)
