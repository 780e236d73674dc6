"""The images that a run was trained and scored on, as MLflow's dataset inputs."""

import hashlib
import json
from typing import TYPE_CHECKING

from spsr.data.passport import read_passport
from spsr.results.runs import Run

if TYPE_CHECKING:
    from mlflow.entities import DatasetInput

_DIGEST = 32
"""Characters of a digest; MLflow takes at most 36."""


def inputs_of(run: Run) -> "list[DatasetInput]":
    """The benchmarks that were scored and whose passports are here, and the training images of a training."""
    found = []
    if digest := run.record.get("inputs", {}).get("training images"):
        found.append(_input("training images", "training", digest, str(run.config.layout.training_pack.parent), {}))
    for dataset in run.score_files:
        path = run.config.layout.passport(dataset)
        if path.is_file():
            passport = read_passport(path)
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            found.append(_input(dataset, "evaluation", digest, str(path.parent), {"images": passport["count"]}))
    return found


def _input(name: str, context: str, digest: str, place: str, profile: dict[str, int]) -> "DatasetInput":
    from mlflow.entities import Dataset, DatasetInput, InputTag

    source = json.dumps({"uri": place})
    dataset = Dataset(name, digest[:_DIGEST], "local", source, profile=json.dumps(profile))
    return DatasetInput(dataset, [InputTag("mlflow.data.context", context)])
