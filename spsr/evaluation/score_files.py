"""Files of scores: CSV with a row an image, JSON with means and protocols."""

import json
import math
from pathlib import Path
from typing import Annotated

import pandas as pd
from pydantic import FiniteFloat, ValidatorFunctionWrapHandler, WrapValidator

from spsr.data.frames import read_frame
from spsr.files import write_text
from spsr.images import SCALE
from spsr.metrics import METRICS
from spsr.metrics.measured import metric_of

COLUMNS = ("image", *METRICS)
"""Of every score file; metrics that a preset adds follow."""


def _or_nothing(cell: str, number: ValidatorFunctionWrapHandler) -> float:
    return number(cell) if cell else math.nan


_Number = Annotated[float, WrapValidator(_or_nothing)]
_Finite = Annotated[FiniteFloat, WrapValidator(_or_nothing)]
_TYPES = {"image": str, **dict.fromkeys(METRICS, _Finite), "psnr": _Number}
"""Of the columns. The PSNR of equal images is infinite, and one's own metric may be."""


def means_by_dataset(frame: pd.DataFrame) -> pd.DataFrame:
    """The arithmetic mean of every metric over each dataset's images, and their number `n_images`.

    Datasets are what stands before the slash of the image names; images without one make up a single dataset "".
    """
    datasets = frame["image"].map(lambda name: name.rpartition("/")[0]).rename("dataset")
    grouped = frame.groupby(datasets, sort=False)
    return grouped[metrics_in(frame)].mean().assign(n_images=grouped.size())


def metrics_in(frame: pd.DataFrame) -> list[str]:
    """The metrics that scores or their means (`means_by_dataset`) hold, in their order."""
    return [str(column) for column in frame.columns if column not in ("image", "n_images")]


def write_csv(frame: pd.DataFrame, path: Path | str) -> None:
    """Write the per-image scores, atomically; empty cells are metrics that were not computed."""
    write_text(path, csv_text(frame))


def csv_text(frame: pd.DataFrame) -> str:
    """What `write_csv` writes."""
    return str(frame.to_csv(index=False, lineterminator="\n"))


def read_csv(path: Path | str) -> pd.DataFrame:
    """What `write_csv` wrote; `InputError` if the file is missing or damaged."""
    return read_frame(Path(path), _TYPES, "score the images again", others=_Number)


def write_json(frame: pd.DataFrame, path: Path | str, lpips: str | None = "alex") -> None:
    """Write the dataset means, the per-image scores and the protocol of each metric, atomically.

    JSON has no infinity: the PSNR of equal images, and a mean with it, is the string "inf". A metric that was not
    computed is null.
    """
    means = means_by_dataset(frame)
    protocols = {name: metric_of(name).protocol for name in metrics_in(frame)}
    document = {
        "scale": SCALE,
        "protocol": protocols | {"lpips": f"{protocols['lpips']}; network here: {lpips or 'none, not computed'}"},
        "n_images": len(frame),
        "datasets": {
            str(name): {key: _json_number(value) for key, value in row.items()}
            for name, row in means.to_dict("index").items()
        },
        "images": [{key: _json_number(value) for key, value in row.items()} for row in frame.to_dict("records")],
    }
    write_text(path, json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def _json_number(value: object) -> object:
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else "inf"
    return value
