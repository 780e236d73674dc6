"""What scores were measured on and with: a file beside each file of scores, from which it can be written again."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from pydantic import TypeAdapter

from spsr.config.strict import Strict
from spsr.data import weights
from spsr.data.hashing import file_hash, known_hash
from spsr.errors import InputError
from spsr.evaluation.score import Values, score_frame
from spsr.evaluation.score_files import csv_text, write_csv
from spsr.files import read_json, write_text
from spsr.metrics import METRICS, Metric
from spsr.plugins import is_reference, source_file


class Measurement(Strict):
    """The sha256 of all that a file of scores depends on, and its numbers.

    Attributes:
        weights: of the method's network; none for a computed method and for foreign images.
        lpips: of the network of LPIPS; none if that was not measured.
        images: of the originals, by image name.
        results: of the images that were scored, by image name.
        measures: of what computed each metric, by metric: its code and its weights.
        values: the scores by image and metric, as text that keeps every digit.
        scores: of the file of scores itself.
    """

    weights: str | None
    lpips: str | None
    images: dict[str, str]
    results: dict[str, str] = {}
    measures: dict[str, str] = {}
    values: dict[str, dict[str, str]] = {}
    scores: str

    def known(self, image: str, original: str, result: str, measures: Mapping[str, str]) -> Values:
        """The scores of an image that would be the same today.

        Args:
            original, result: sha256 of the two files now.
            measures: sha256 of what computes each metric now.
        """
        if (self.images.get(image), self.results.get(image)) != (original, result):
            return {}
        texts = self.values.get(image, {})
        same = [name for name, digest in measures.items() if name in texts and self.measures.get(name) == digest]
        return {name: float(texts[name]) for name in same}

    @property
    def frame(self) -> pd.DataFrame:
        """The scores as their file has them."""
        values = {image: {name: float(text) for name, text in row.items()} for image, row in self.values.items()}
        return score_frame(values, [name for name in self.measures if name not in METRICS])


def measure_hash(metric: Metric) -> str:
    """The sha256 of what computes a metric: of the hashes of its code and of its weights."""
    folder = Path(__file__).parents[1] / "metrics"
    code = [source_file(metric.name)] if is_reference(metric.name) else sorted(folder.glob("*.py"))
    files = [*code, *map(weights.stored, metric.weights)]
    return hashlib.sha256("".join(known_hash(file) for file in files if file.is_file()).encode()).hexdigest()


_MEASUREMENT = TypeAdapter(Measurement)


def measurement_file(scores: Path) -> Path:
    """Where the measurement of a file of scores lies."""
    return scores.with_suffix(".json")


def write_scores(path: Path, frame: pd.DataFrame, **measured: Any) -> None:
    """Write a file of scores after its measurement, so that there are no scores without one.

    Args:
        measured: all fields of `Measurement` but `values` and `scores`.
    """
    rows = frame.set_index("image").to_dict("index")
    values = {str(image): {str(name): repr(value) for name, value in row.items()} for image, row in rows.items()}
    measurement = Measurement(**measured, values=values, scores=_hash_of(frame))
    write_text(measurement_file(path), json.dumps(measurement.model_dump(), indent=1) + "\n")
    write_csv(frame, path)


def earlier_measurement(scores: Path) -> Measurement | None:
    """What was measured before, whether its file of scores is there or not; none if it is damaged."""
    try:
        measurement = read_json(measurement_file(scores), _MEASUREMENT, "score the images again")
        return measurement if _hash_of(measurement.frame) == measurement.scores else None
    except (InputError, ValueError):
        return None


def _hash_of(frame: pd.DataFrame) -> str:
    return hashlib.sha256(csv_text(frame).encode()).hexdigest()


def read_measurement(scores: Path) -> Measurement | None:
    """The measurement of a file of scores; none if an earlier version wrote it.

    Raises:
        InputError: it is damaged, or of other scores.
    """
    file = measurement_file(scores)
    if not file.is_file():
        return None
    measurement = read_json(file, _MEASUREMENT, "score the images again")
    if measurement.scores != file_hash(scores):
        raise InputError(f"{scores}: is not what was measured, as {file.name} has it; score the images again")
    return measurement
