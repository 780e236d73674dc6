"""The MLflow store of a preset: where it is, its experiment, and what its runs hold."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from spsr.config import Config
from spsr.errors import InputError
from spsr.files import atomic_path
from spsr.reporting.tables.markdown import escape
from spsr.results.curves import Points

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run as MlflowRun

REPORT = "report"
"""Name of the run whose artefact is the report."""

ARTIFACTS_ANYWHERE = "mlflow-artifacts:/"
"""Artefact location in a local store: no path of the machine, so that the checkout may be moved. A server over the
store reads such addresses from the folder `artifacts` beside it."""

_REMEDY = "move it away, and `spsr track` makes it again"

_FIRST_EXPERIMENT = 1
"""Identifier of the first experiment that is made in a store."""

_POINTS_AT_ONCE, _PARAMS_AT_ONCE = 1000, 100


def quiet_mlflow() -> None:
    """Settings of MLflow for this process and its children: no telemetry, no job queue, no banner.

    MLflow reads them when it is imported, so it is imported only behind a call of this.
    """
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_SERVER_ENABLE_JOB_EXECUTION", "false")
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")
    os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")


def database(config: Config) -> Path:
    """The local store of a preset."""
    return (config.layout.tracking / "mlflow.db").resolve()


def tracking_uri(config: Config) -> str:
    """`MLFLOW_TRACKING_URI` if it is set, else the preset's local store."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{database(config)}"


def experiment_name(config: Config) -> str:
    """One experiment a preset."""
    return f"spsr-{config.preset.preset}"


def runs_page(config: Config, port: int) -> str:
    """Address of the preset's runs on a server of its store on this machine, before the first import too."""
    query = "SELECT experiment_id FROM experiments WHERE name = ? AND lifecycle_stage = 'active'"
    row = _query(database(config), query, experiment_name(config)) if database(config).is_file() else None
    return f"http://127.0.0.1:{port}/#/experiments/{row[0] if row else _FIRST_EXPERIMENT}/runs"


def check_store(path: Path) -> None:
    """`InputError` if the file is no store of MLflow, or a damaged one."""
    (found,) = _query(path, "PRAGMA quick_check(1)")
    if found != "ok":
        raise InputError(f"{path}: a damaged store of MLflow ({found}); {_REMEDY}")
    _query(path, "SELECT 1 FROM experiments")


def _query(path: Path, query: str, *values: str) -> Any:
    """The first row that a store answers; `InputError` if the file is none."""
    try:
        with closing(sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True)) as store:
            return store.execute(query, values).fetchone()
    except sqlite3.Error as error:
        raise InputError(f"{path}: no store of MLflow ({error}); {_REMEDY}") from error


def create_store(path: Path) -> None:
    """Make an empty store if there is none; one that could not be made completely never appears.

    Raises:
        InputError: what is there is no store, or damaged.
    """
    if path.exists():
        check_store(path)
        return
    from mlflow import MlflowClient

    with atomic_path(path) as temporary:
        MlflowClient(f"sqlite:///{temporary}").search_experiments(max_results=1)


def experiment_id(client: "MlflowClient", config: Config, local: bool) -> str:
    """The identifier of the preset's experiment, made if there is none."""
    name = experiment_name(config)
    place = ARTIFACTS_ANYWHERE if local else None
    found = client.get_experiment_by_name(name)
    if found is not None and found.lifecycle_stage == "deleted":
        client.restore_experiment(found.experiment_id)
    if found is not None and place is not None and found.artifact_location != place:
        # A store of an earlier version, whose artefacts are lost when it is moved.
        client.rename_experiment(found.experiment_id, f"{name} of {found.artifact_location}")
        found = None
    if found is not None:
        return str(found.experiment_id)
    tags = {
        "spsr.preset": config.preset.preset,
        "mlflow.note.content": _note_of(config),
        "mlflow.experimentKind": "custom_model_development",
    }
    return str(client.create_experiment(name, artifact_location=place, tags=tags))


def mark_of(config: Config) -> str:
    """The mark of a reduced preset as the first paragraph of a description; empty without one."""
    return f"**{escape(config.preset.mark)}**\n\n" if config.preset.mark else ""


def _note_of(config: Config) -> str:
    return (
        f"{mark_of(config)}Preset `{config.preset.preset}`. One run for each method and seed. Runs of a table: "
        f"`tags.table1 = 'yes'`; deltas of a method: `tags.parent = 'spsr_g'`. Report: `{config.layout.report}`, and "
        f"among the artifacts of the run `{REPORT}`."
    )


def all_runs(client: "MlflowClient", experiment: str) -> list["MlflowRun"]:
    """Every run of an experiment that is not deleted."""
    runs, token = [], None
    while True:
        page = client.search_runs([experiment], max_results=1000, page_token=token)
        runs += page
        token = page.token
        if not token:
            return runs


def points_there(client: "MlflowClient", known: "MlflowRun") -> dict[tuple[str, int], float]:
    """Every value of a run's metrics, by metric and step."""
    return {
        (name, metric.step): metric.value
        for name in known.data.metrics
        for metric in client.get_metric_history(known.info.run_id, name)
    }


def complete(
    client: "MlflowClient",
    known: "MlflowRun",
    points: Points,
    params: dict[str, str],
    tags: dict[str, str],
) -> None:
    """Add points, parameters that the run does not have, and tags, in as few requests as the server allows."""
    from mlflow.entities import Metric, Param, RunTag

    run_id = known.info.run_id
    new_params = [Param(key, value) for key, value in params.items() if key not in known.data.params]
    new_tags = [RunTag(key, value) for key, value in tags.items()]
    metrics = [Metric(name, value, when, step) for (name, step), (value, when) in points.items()]
    client.log_batch(run_id, params=new_params[:_PARAMS_AT_ONCE], tags=new_tags)
    for start in range(_PARAMS_AT_ONCE, len(new_params), _PARAMS_AT_ONCE):
        client.log_batch(run_id, params=new_params[start : start + _PARAMS_AT_ONCE])
    for start in range(0, len(metrics), _POINTS_AT_ONCE):
        client.log_batch(run_id, metrics=metrics[start : start + _POINTS_AT_ONCE])
