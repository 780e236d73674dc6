"""Files of what extractors know: CSV with a row a task, dataset and repeat."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import pandas as pd
from pydantic import Field, NonNegativeInt, PositiveInt

from spsr.data.frames import read_frame
from spsr.files import atomic_path

COLUMNS = {
    "extractor": str,
    "task": Literal["contrastive", "jigsaw"],
    "dataset": str,
    "repeat": NonNegativeInt,
    "accuracy": Annotated[float, Field(ge=0, le=1)],
    "n": PositiveInt,
}


def write_probe(rows: Sequence[tuple[object, ...]], path: Path) -> None:
    """Write a row of `COLUMNS` for each task, dataset and repeat, atomically."""
    with atomic_path(path) as temporary:
        pd.DataFrame(rows, columns=list(COLUMNS)).to_csv(temporary, index=False, float_format="%.6f")


def read_probe(path: Path) -> pd.DataFrame:
    """What `write_probe` wrote; `InputError` if it is damaged."""
    return read_frame(path, COLUMNS, f"run `spsr probe {path.stem}` again")
