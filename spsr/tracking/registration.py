"""MLflow's model registry: a registered model for each method and extractor, a version for each of its weights."""

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from spsr.reporting.tables.markdown import escape
from spsr.results.runs import Run
from spsr.tracking.experiment import mark_of

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run as MlflowRun
    from mlflow.entities.model_registry import ModelVersion

WEIGHTS_TAG = "weights sha256"
_FOLDER = "model"
_LINK = "mlflow.log-model.history"
"""Tag of a run for which MLflow's list of runs looks for registered models."""


def register(client: "MlflowClient", known: "MlflowRun", run: Run, scores: dict[str, float], weights: str) -> None:
    """Register the weights of a training, unless they are, and tag the version with its scores.

    The model `PRESET.NAME` is made with its first version. A version belongs to the content of `model.safetensors`,
    which goes into the artefacts of its MLflow run: as a hard link where the store is local. If the run was replaced
    and the weights are the same, the version of the earlier run goes.

    Args:
        known: the MLflow run of the training.
        scores: means by `DATASET/METRIC`.
        weights: SHA-256 of the weights.
    """
    name = f"{run.config.preset.preset}.{run.name}"
    client.log_artifact(known.info.run_id, str(run.folder.model), _FOLDER)
    version = _version(client, name, known.info.run_id, str(run.seed), weights)
    tags = {key: f"{score:.6g}" for key, score in scores.items()}
    version = version or _create(client, name, known, run, {WEIGHTS_TAG: weights, "seed": str(run.seed)} | tags)
    if _LINK not in known.data.tags:
        created = datetime.fromtimestamp(version.creation_timestamp / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")
        logged = {"artifact_path": _FOLDER, "flavors": {"safetensors": {}}, "utc_time_created": created}
        client.set_tag(known.info.run_id, _LINK, json.dumps([{"run_id": known.info.run_id, **logged}]))
    for key, value in tags.items():
        if version.tags.get(key) != value:
            client.set_model_version_tag(name, version.version, key, value)


def _version(client: "MlflowClient", name: str, run_id: str, seed: str, weights: str) -> "ModelVersion | None":
    found = None
    for version in client.search_model_versions(f"name = '{name}'"):
        if (version.tags.get("seed"), version.tags.get(WEIGHTS_TAG)) != (seed, weights):
            continue
        if version.run_id == run_id:
            found = version
        else:
            client.delete_model_version(name, version.version)
    return found


def _create(client: "MlflowClient", name: str, known: "MlflowRun", run: Run, tags: dict[str, str]) -> "ModelVersion":
    if not client.search_registered_models(f"name = '{name}'"):
        preset = run.config.preset.preset
        text = f"{mark_of(run.config)}{escape(run.declared.title)} of the preset `{preset}`, one version a training."
        client.create_registered_model(name, {"preset": preset}, text)
    return client.create_model_version(
        name,
        f"runs:/{known.info.run_id}/{_FOLDER}",
        run_id=known.info.run_id,
        tags=tags,
        description=f"{escape(run.declared.title)}, seed {run.seed}: `model.safetensors`",
    )
