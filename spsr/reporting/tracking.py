"""MLflow: every finished run of a preset, imported from the files that it left.

Files come first: a slow or dead server costs no training, and an import can be repeated at any time. A run whose files
have not changed is left alone; one that was imported in part is completed; one whose numbers changed is replaced.
"""

import fcntl
import hashlib
import json
import math
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from spsr.config import Config
from spsr.files import atomic_path
from spsr.reporting.curves import Points, curves
from spsr.reporting.registration import WEIGHTS_TAG, register
from spsr.reporting.runs import Run, finished_runs

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run as MlflowRun

CONTENT_TAG = "spsr.content"
_FORMAT = 2
_POINTS_AT_ONCE, _PARAMS_AT_ONCE = 1000, 100
_SAMPLES = 2
_REPORT = "report"

Point = tuple[str, int]
"""Name and step of a metric."""


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


def quiet_mlflow() -> None:
    """Settings of MLflow for this process and its children: no telemetry, no job queue, no banner."""
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


def page(config: Config, port: int) -> str:
    """Address of the preset's runs on a server on this machine."""
    with closing(sqlite3.connect(f"file:{database(config)}?mode=ro", uri=True)) as store:
        query = "SELECT experiment_id FROM experiments WHERE name = ? AND lifecycle_stage = 'active'"
        row = store.execute(query, (experiment_name(config),)).fetchone()
    return f"http://127.0.0.1:{port}" + (f"/#/experiments/{row[0]}/runs" if row else "")


def track(config: Config, progress: Callable[[int, int], None] | None = None) -> Imported:
    """Import every finished run of a preset into MLflow, one MLflow run for each (method or extractor, seed).

    Args:
        progress: called after each run with the number of looked-at runs and of all of them.

    Raises:
        InputError: a file of a run is broken.
    """
    quiet_mlflow()
    uri = tracking_uri(config)
    runs = finished_runs(config)
    local = not os.environ.get("MLFLOW_TRACKING_URI")
    with _only_writer(config.layout.tracking) if local else nullcontext():
        from mlflow import MlflowClient

        if local:
            _create(database(config))
        client = MlflowClient(uri)
        experiment = _experiment(client, config, local)
        known = {run.info.run_name: run for run in _all_runs(client, experiment)}
        done = Imported(uri, experiment_name(config), [], [], [], [])
        for number, run in enumerate(runs, start=1):
            _import(client, experiment, run, known.get(run.title), done)
            if progress is not None:
                progress(number, len(runs))
        if config.layout.report.is_file():
            _log_report(client, experiment, config, known.get(_REPORT))
        return done


def _log_report(client: "MlflowClient", experiment: str, config: Config, known: "MlflowRun | None") -> None:
    """The report as an artefact of a run of its own, where the UI shows it; a changed one replaces it."""
    digest = hashlib.sha256(config.layout.report.read_bytes()).hexdigest()
    if known is not None:
        if known.data.tags.get(CONTENT_TAG) == digest:
            return
        client.delete_run(known.info.run_id)
    tags = {"mlflow.runName": _REPORT, "kind": "report", "preset": config.preset.preset}
    run_id = client.create_run(experiment, run_name=_REPORT, tags=tags).info.run_id
    client.log_artifact(run_id, str(config.layout.report))
    client.set_terminated(run_id)
    client.set_tag(run_id, CONTENT_TAG, digest)


@contextmanager
def _only_writer(folder: Path) -> Iterator[None]:
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _create(path: Path) -> None:
    """Make an empty store if there is none; one that could not be made completely never appears."""
    if path.exists():
        return
    from mlflow import MlflowClient

    with atomic_path(path) as temporary:
        MlflowClient(f"sqlite:///{temporary}").search_experiments(max_results=1)


def _experiment(client: "MlflowClient", config: Config, local: bool) -> str:
    """The identifier of the preset's experiment, made if there is none."""
    name = experiment_name(config)
    place = database(config).with_name("artifacts").as_uri() if local else None
    found = client.get_experiment_by_name(name)
    if found is not None and found.lifecycle_stage == "deleted":
        client.restore_experiment(found.experiment_id)
    if found is not None and place is not None and found.artifact_location != place:
        # The checkout was moved: artefacts would be looked for in the old place.
        client.rename_experiment(found.experiment_id, f"{name} of {found.artifact_location}")
        found = None
    if found is not None:
        return str(found.experiment_id)
    tags = {
        "spsr.preset": config.preset.preset,
        "mlflow.note.content": _experiment_note(config),
        "mlflow.experimentKind": "custom_model_development",
    }
    return str(client.create_experiment(name, artifact_location=place, tags=tags))


def _experiment_note(config: Config) -> str:
    mark = f"**{config.preset.mark}**\n\n" if config.preset.mark else ""
    return (
        f"{mark}Preset `{config.preset.preset}`. One run for each method and seed. Runs of a table: "
        f"`tags.table1 = 'yes'`; deltas of a method: `tags.parent = 'spsr_g'`. Report: `{config.layout.report}`, and "
        f"among the artifacts of the run `{_REPORT}`."
    )


def _all_runs(client: "MlflowClient", experiment: str) -> list["MlflowRun"]:
    runs, token = [], None
    while True:
        page = client.search_runs([experiment], max_results=1000, page_token=token)
        runs += page
        token = page.token
        if not token:
            return runs


def _import(client: "MlflowClient", experiment: str, run: Run, known: "MlflowRun | None", done: Imported) -> None:
    content = _content(run)
    if known is not None and known.data.tags.get(CONTENT_TAG) == content:
        done.unchanged.append(run.title)
        return
    points, params, tags = _points(run), _params(run), _tags(run)
    there: dict[Point, float] = {}
    if known is not None:
        there = _points_there(client, known)
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
    times = [milliseconds for _, milliseconds in points.values()] or [_modified(run)]
    if known is None:
        named = {"mlflow.runName": run.title, **tags}
        known = client.create_run(experiment, start_time=min(times), run_name=run.title, tags=named)
    _log(client, known, {at: value for at, value in points.items() if at not in there}, params, tags)
    _log_artifacts(client, known.info.run_id, run)
    if run.trained:
        register(client, known, run, _scores(run), tags[WEIGHTS_TAG])
    client.set_terminated(known.info.run_id, end_time=max(times))
    client.set_tag(known.info.run_id, CONTENT_TAG, content)


def _content(run: Run) -> str:
    """A digest of every file that the MLflow run is made from, and of what is said about it."""
    summary = hashlib.sha256(json.dumps([_FORMAT, _tags(run, hashes=False)], sort_keys=True).encode())
    for path in [*(run.folder / name for name in ("run.yaml", "events.jsonl")), *run.score_files.values()]:
        if path.is_file():
            summary.update(f"{path.name}\0".encode() + path.read_bytes())
    if run.is_extractor and (probe := run.config.layout.probe(run.name)).is_file():
        summary.update(probe.read_bytes())
    return summary.hexdigest()


def _modified(run: Run) -> int:
    files = [run.folder / "run.yaml", *run.score_files.values()]
    return max((int(1000 * path.stat().st_mtime) for path in files if path.is_file()), default=0)


def _points(run: Run) -> Points:
    """Value and time (milliseconds) of every metric: loss curves, learning rate, and the final scores."""
    last = _modified(run)
    final = run.events[-1]["step"] if run.events else 0
    return curves(run.events, run.ledger, last) | {(name, final): (value, last) for name, value in _scores(run).items()}


def _scores(run: Run) -> dict[str, float]:
    """Everything that was scored: `DATASET/METRIC`, of an extractor `probe/TASK/DATASET`."""
    return {name: value for name, value in (run.means | _accuracies(run)).items() if not math.isnan(value)}


def _accuracies(run: Run) -> dict[str, float]:
    """Mean accuracies of an extractor as `probe/TASK/DATASET`."""
    path = run.config.layout.probe(run.name)
    if not run.is_extractor or not path.is_file():
        return {}
    import pandas as pd

    means = pd.read_csv(path).groupby(["task", "dataset"], as_index=False)["accuracy"].mean()
    rows = zip(means["task"], means["dataset"], means["accuracy"], strict=True)
    return {f"probe/{task}/{dataset}": float(value) for task, dataset, value in rows}


def _params(run: Run) -> dict[str, str]:
    """The resolved configuration, flat: `losses.pixel.image` and so on; empty values are left out."""
    flat: dict[str, str] = {"preset": run.config.preset.preset}

    def add(place: str, value: Any) -> None:
        if isinstance(value, dict):
            for key, inner in value.items():
                add(f"{place}.{key}" if place else str(key), inner)
        elif value is not None and value != []:
            text = value if isinstance(value, str) else json.dumps(value)
            flat[place.removeprefix("method.").removeprefix("settings.")] = text[:6000]

    add("", run.resolved)
    return flat


def _tags(run: Run, hashes: bool = True) -> dict[str, str]:
    config = run.config
    tags = {"preset": config.preset.preset, "seed": str(run.seed)}
    if config.preset.mark:
        tags["mark"] = config.preset.mark
    if run.is_extractor:
        tags |= {"kind": "extractor", "extractor": run.name, "title": run.declared.title}
        tags["used by"] = ", ".join(run.users)
    else:
        method = config.method(run.name)
        tags |= {"kind": "method", "method": run.name, "title": method.title, "source": method.source}
        if method.extends is not None:
            tags |= {"parent": method.extends, "ablation": "yes"}
        tables = [name for name, table in config.tables.items() if run.name in table.methods]
        tags |= {"tables": ", ".join(tables), **dict.fromkeys(tables, "yes")}
    if "commit" in run.record.get("versions", {}):
        tags["mlflow.source.git.commit"] = run.record["versions"]["commit"]
    if hashes and run.trained:
        with config.layout.model(run.name, run.seed).open("rb") as opened:
            tags[WEIGHTS_TAG] = hashlib.file_digest(opened, "sha256").hexdigest()
    return tags


def _points_there(client: "MlflowClient", known: "MlflowRun") -> dict[Point, float]:
    return {
        (name, metric.step): metric.value
        for name in known.data.metrics
        for metric in client.get_metric_history(known.info.run_id, name)
    }


def _log(
    client: "MlflowClient",
    known: "MlflowRun",
    points: dict[Point, tuple[float, int]],
    params: dict[str, str],
    tags: dict[str, str],
) -> None:
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


def _log_artifacts(client: "MlflowClient", run_id: str, run: Run) -> None:
    """The configuration, the record and curves of the training, scores, and sample images."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for name in ("configuration", "training", "scores", "images"):
            (root / name).mkdir()
        resolved = yaml.safe_dump(run.resolved, allow_unicode=True, sort_keys=False)
        (root / "configuration" / "resolved.yaml").write_text(resolved, encoding="utf-8")
        shutil.copyfile(run.config.path, root / "configuration" / run.config.path.name)
        for name in ("run.yaml", "events.jsonl"):
            if (run.folder / name).is_file():
                shutil.copyfile(run.folder / name, root / "training" / name)
        for dataset, path in run.score_files.items():
            shutil.copyfile(path, root / "scores" / f"{dataset}.csv")
        for dataset, path in run.samples[:_SAMPLES]:
            shutil.copyfile(path, root / "images" / f"{dataset}-{path.name}")
        for name in ("configuration", "training", "scores", "images"):
            if any((root / name).iterdir()):
                client.log_artifacts(run_id, str(root / name), name)
