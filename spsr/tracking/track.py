"""MLflow: every finished run of a preset, imported from the files that it left.

Files come first: a slow or dead server costs no training, and an import can be repeated at any time. A run whose files
have not changed is left alone; one that was imported in part is completed; one whose numbers changed is replaced.
"""

import hashlib
import math
import os
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from spsr.config import Config
from spsr.files import alone
from spsr.progress import Progress, silent
from spsr.results.curves import thinned
from spsr.results.runs import Run, finished_runs
from spsr.tracking.contact import check_address, first_contact, told
from spsr.tracking.content import (
    CONTENT_TAG,
    content_of,
    log_artifacts,
    log_samples,
    params_of,
    points_of,
    samples_of,
    scores_of,
    tags_of,
    times_of,
)
from spsr.tracking.datasets import inputs_of
from spsr.tracking.experiment import (
    REPORT,
    all_runs,
    complete,
    create_store,
    database,
    experiment_id,
    experiment_name,
    points_there,
    quiet_mlflow,
    tracking_uri,
)
from spsr.tracking.registration import WEIGHTS_TAG, register
from spsr.tracking.views import save_views

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run as MlflowRun


@dataclass
class Imported:
    """What an import did.

    Attributes:
        uri: the tracking store.
        experiment: name of the experiment.
        new, completed, replaced, unchanged: titles of runs.
    """

    uri: str
    experiment: str
    new: list[str]
    completed: list[str]
    replaced: list[str]
    unchanged: list[str]


def track(config: Config, progress: Progress = silent) -> Imported:
    """Import every finished run of a preset into MLflow, one MLflow run for each (method or extractor, seed).

    Args:
        progress: called after each run.

    Raises:
        InputError: a file of a run is broken.
    """
    quiet_mlflow()
    uri = tracking_uri(config)
    runs = finished_runs(config)
    local = not os.environ.get("MLFLOW_TRACKING_URI")
    if not local:
        check_address(uri)
    with alone(config.layout.tracking / ".lock") if local else nullcontext(), told(uri, _remedy(config, local)):
        client = _client(config, local)
        experiment = experiment_id(client, config, local)
        known = _each_once(client, all_runs(client, experiment))
        done = Imported(uri, experiment_name(config), [], [], [], [])
        for number, run in enumerate(runs, start=1):
            # A copy of the run holds its curves, which are of no use afterwards.
            _import(client, experiment, replace(run), known.get(run.title), done)
            progress(number, len(runs), run.title)
        save_views(client, experiment, config, list(dict.fromkeys(key for run in runs for key in samples_of(run))))
        if config.layout.report.is_file():
            _log_report(client, experiment, config, known.get(REPORT))
        return done


def _each_once(client: "MlflowClient", runs: "list[MlflowRun]") -> "dict[str, MlflowRun]":
    """The runs by name; of two, one of which was made because an answer of the server was lost, the fuller one."""
    known: dict[str, MlflowRun] = {}
    for run in sorted(runs, key=lambda run: (CONTENT_TAG in run.data.tags, len(run.data.metrics))):
        twin = known.get(run.info.run_name)
        if twin is not None and CONTENT_TAG not in twin.data.tags:
            client.delete_run(twin.info.run_id)
        known[run.info.run_name] = run
    return known


def _client(config: Config, local: bool) -> "MlflowClient":
    if not local:
        import mlflow  # noqa: F401 - takes seconds, which the store has not to answer for

        uri = tracking_uri(config)
        return first_contact(uri, lambda: _reached(uri), _remedy(config, local))
    from spsr.tracking.local_client import LocalClient

    create_store(database(config))
    return LocalClient(database(config))


def _reached(uri: str) -> "MlflowClient":
    from mlflow import MlflowClient

    client = MlflowClient(uri)
    client.search_experiments(max_results=1)
    return client


def _remedy(config: Config, local: bool) -> str:
    if local:
        return f"move {database(config)} away, and `spsr track` imports everything again"
    return "see to the server, or unset MLFLOW_TRACKING_URI; then run `spsr track` again"


def _log_report(client: "MlflowClient", experiment: str, config: Config, known: "MlflowRun | None") -> None:
    """The report as an artefact of a run of its own, where the UI shows it; a changed one replaces it."""
    digest = hashlib.sha256(config.layout.report.read_bytes()).hexdigest()
    if known is not None:
        if known.data.tags.get(CONTENT_TAG) == digest:
            return
        client.delete_run(known.info.run_id)
    tags = {"mlflow.runName": REPORT, "kind": "report", "preset": config.preset.preset}
    run_id = client.create_run(experiment, run_name=REPORT, tags=tags).info.run_id
    client.log_artifact(run_id, str(config.layout.report))
    client.set_terminated(run_id)
    client.set_tag(run_id, CONTENT_TAG, digest)


def _import(client: "MlflowClient", experiment: str, run: Run, known: "MlflowRun | None", done: Imported) -> None:
    content = content_of(run)
    if known is not None and known.data.tags.get(CONTENT_TAG) == content:
        done.unchanged.append(run.title)
        return
    points, params, tags = points_of(run), params_of(run), tags_of(run)
    there: dict[tuple[str, int], float] = {}
    if known is not None:
        there = points_there(client, known)
        if any(points.get(at, (math.nan, 0))[0] != value for at, value in there.items()) or any(
            params.get(key) != value for key, value in known.data.params.items()
        ):
            client.delete_run(known.info.run_id)
            known, there = None, {}
            done.replaced.append(run.title)
        else:
            done.completed.append(run.title)
    else:
        done.new.append(run.title)
    began, ended = times_of(run)
    if known is None:
        named = {"mlflow.runName": run.title, **tags}
        known = client.create_run(experiment, start_time=began, run_name=run.title, tags=named)
    new = {at: point for at, point in thinned(points).items() if at not in there}
    complete(client, known, new, params, tags)
    client.log_inputs(known.info.run_id, inputs_of(run))
    log_artifacts(client, known.info.run_id, run)
    log_samples(client, known, run)
    if run.trained:
        register(client, known, run, scores_of(run), tags[WEIGHTS_TAG])
    client.set_terminated(known.info.run_id, end_time=ended)
    client.set_tag(known.info.run_id, CONTENT_TAG, content)
