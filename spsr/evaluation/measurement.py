"""What scores were measured on and with: a file beside each file of scores, which itself holds only numbers."""

import json
from collections.abc import Mapping
from pathlib import Path

import pandas as pd
from pydantic import ValidationError

from spsr.config.strict import Strict
from spsr.data.hashing import file_hash, known_hash
from spsr.errors import InputError
from spsr.evaluation.pairs import Pair
from spsr.evaluation.score_files import write_csv
from spsr.files import staging_of, write_text


class Measurement(Strict):
    """The sha256 of all that a file of scores depends on.

    Attributes:
        weights: of the method's network; none for a computed method and for foreign images.
        lpips: of the network of LPIPS; none if that was not measured.
        images: of the originals, by image name.
        scores: of the file of scores itself.
    """

    weights: str | None
    lpips: str | None
    images: dict[str, str]
    scores: str


def measurement_file(scores: Path) -> Path:
    """Where the measurement of a file of scores lies."""
    return scores.with_suffix(".json")


def write_scores(frame: pd.DataFrame, path: Path, pairs: Mapping[str, Pair], weights: Path | None, lpips: Path) -> None:
    """Write a file of scores after its measurement, so that there are no scores without one."""
    draft = staging_of(path.with_suffix(".draft.csv"))
    try:
        write_csv(frame, draft)
        measurement = Measurement(
            weights=None if weights is None else known_hash(weights),
            lpips=known_hash(lpips) if lpips.is_file() else None,
            images={name: known_hash(pair.hr) for name, pair in pairs.items()},
            scores=file_hash(draft),
        )
    finally:
        draft.unlink(missing_ok=True)
    write_text(measurement_file(path), json.dumps(measurement.model_dump(), indent=1) + "\n")
    write_csv(frame, path)


def read_measurement(scores: Path) -> Measurement | None:
    """The measurement of a file of scores; none if an earlier version wrote it.

    Raises:
        InputError: it is damaged, or of other scores.
    """
    file = measurement_file(scores)
    if not file.is_file():
        return None
    try:
        measurement = Measurement.model_validate_json(file.read_bytes())
    except (OSError, ValidationError) as error:
        raise InputError(f"{file}: is not the measurement of scores; score the images again") from error
    if measurement.scores != file_hash(scores):
        raise InputError(f"{scores}: is not what was measured, as {file.name} has it; score the images again")
    return measurement
