"""MLflow: every finished run of a preset, imported from the files that it left.

Files come first: a slow or dead server costs no training, and an import can be repeated at any time. A run whose files
have not changed is left alone; one that was imported in part is completed; one whose numbers changed is replaced.
"""

import hashlib
import json
import math
import os
import shutil
import tempfile
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from spsr.config import Config
from spsr.files import alone
from spsr.progress import Progress, silent
from spsr.results.curves import Points, curves
from spsr.results.runs import Run, finished_runs
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

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run as MlflowRun

CONTENT_TAG = "spsr.content"
_FORMAT = 2
_SAMPLES = 2


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
    with alone(config.layout.tracking / ".lock") if local else nullcontext():
        from mlflow import MlflowClient

        if local:
            create_store(database(config))
        client = MlflowClient(uri)
        experiment = experiment_id(client, config, local)
        known = {run.info.run_name: run for run in all_runs(client, experiment)}
        done = Imported(uri, experiment_name(config), [], [], [], [])
        for number, run in enumerate(runs, start=1):
            _import(client, experiment, run, known.get(run.title), done)
            progress(number, len(runs), run.title)
        if config.layout.report.is_file():
            _log_report(client, experiment, config, known.get(REPORT))
        return done


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
    content = _content(run)
    if known is not None and known.data.tags.get(CONTENT_TAG) == content:
        done.unchanged.append(run.title)
        return
    points, params, tags = _points(run), _params(run), tags_of(run)
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
    times = [milliseconds for _, milliseconds in points.values()] or [_modified(run)]
    if known is None:
        named = {"mlflow.runName": run.title, **tags}
        known = client.create_run(experiment, start_time=min(times), run_name=run.title, tags=named)
    complete(client, known, {at: value for at, value in points.items() if at not in there}, params, tags)
    _log_artifacts(client, known.info.run_id, run)
    if run.trained:
        register(client, known, run, _scores(run), tags[WEIGHTS_TAG])
    client.set_terminated(known.info.run_id, end_time=max(times))
    client.set_tag(known.info.run_id, CONTENT_TAG, content)


def _content(run: Run) -> str:
    """A digest of every file that the MLflow run is made from, and of what is said about it."""
    summary = hashlib.sha256(json.dumps([_FORMAT, tags_of(run, hashes=False)], sort_keys=True).encode())
    for path in [run.folder.record, run.folder.events, *run.score_files.values()]:
        if path.is_file():
            summary.update(f"{path.name}\0".encode() + path.read_bytes())
    if run.is_extractor and (probe := run.config.layout.probe(run.name)).is_file():
        summary.update(probe.read_bytes())
    return summary.hexdigest()


def _modified(run: Run) -> int:
    files = [run.folder.record, *run.score_files.values()]
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


def tags_of(run: Run, hashes: bool = True) -> dict[str, str]:
    """What a run is found by.

    Args:
        hashes: with the hash of its weights, which is slow and which a run under way does not have.
    """
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


def _log_artifacts(client: "MlflowClient", run_id: str, run: Run) -> None:
    """The configuration, the record and curves of the training, scores, and sample images."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for name in ("configuration", "training", "scores", "images"):
            (root / name).mkdir()
        resolved = yaml.safe_dump(run.resolved, allow_unicode=True, sort_keys=False)
        (root / "configuration" / "resolved.yaml").write_text(resolved, encoding="utf-8")
        shutil.copyfile(run.config.path, root / "configuration" / run.config.path.name)
        for file in (run.folder.record, run.folder.events):
            if file.is_file():
                shutil.copyfile(file, root / "training" / file.name)
        for dataset, path in run.score_files.items():
            shutil.copyfile(path, root / "scores" / f"{dataset}.csv")
        for dataset, path in run.samples[:_SAMPLES]:
            shutil.copyfile(path, root / "images" / f"{dataset}-{path.name}")
        for name in ("configuration", "training", "scores", "images"):
            if any((root / name).iterdir()):
                client.log_artifacts(run_id, str(root / name), name)
