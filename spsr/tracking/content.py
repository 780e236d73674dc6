"""What the MLflow run of a training holds: points, parameters, tags and artefacts, from the files that it left."""

import hashlib
import json
import math
import re
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import NAMESPACE_URL, uuid5

import yaml
from PIL import Image

from spsr.images import read_rgb
from spsr.results.curves import Points, curves
from spsr.results.runs import Run
from spsr.tracking.registration import WEIGHTS_TAG
from spsr.tracking.views import IMAGE_SECTION
from spsr.training.extraction.probe_file import read_probe

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run as MlflowRun

CONTENT_TAG = "spsr.content"
_FORMAT = 3
_SAMPLES = 2
_SAMPLES_TAG = "spsr.samples"


def content_of(run: Run) -> str:
    """A digest of every file that the MLflow run is made from, and of what is said about it."""
    summary = hashlib.sha256(json.dumps([_FORMAT, tags_of(run, hashes=False)], sort_keys=True).encode())
    for path in [run.folder.record, run.folder.events, *run.score_files.values()]:
        if path.is_file():
            summary.update(f"{path.name}\0".encode() + path.read_bytes())
    if run.is_extractor and (probe := run.config.layout.probe(run.name)).is_file():
        summary.update(probe.read_bytes())
    return summary.hexdigest()


def modified_of(run: Run) -> int:
    """When its record or scores were last written: milliseconds since 1970, or 0."""
    files = [run.folder.record, *run.score_files.values()]
    return max((int(1000 * path.stat().st_mtime) for path in files if path.is_file()), default=0)


def times_of(run: Run) -> tuple[int, int]:
    """When its training began to log and when it ended, else twice when it was scored: milliseconds since 1970."""
    times = [int(1000 * entry["time"]) for entry in run.ledger if "time" in entry] or [modified_of(run)]
    return min(times), max(times)


def points_of(run: Run) -> Points:
    """Value and time (milliseconds) of every metric: loss curves, learning rate, and the final scores.

    Scores stand at step 0, of every run: a metric with other steps would be drawn as lines of one point, not as bars.
    """
    last = modified_of(run)
    return curves(run.events, run.ledger, last) | {(name, 0): (value, last) for name, value in scores_of(run).items()}


def scores_of(run: Run) -> dict[str, float]:
    """Everything that was scored: `DATASET/METRIC`, of an extractor `probe/TASK/DATASET`."""
    return {name: value for name, value in (run.means | _accuracies(run)).items() if not math.isnan(value)}


def _accuracies(run: Run) -> dict[str, float]:
    """Mean accuracies of an extractor as `probe/TASK/DATASET`."""
    path = run.config.layout.probe(run.name)
    if not run.is_extractor or not path.is_file():
        return {}
    means = read_probe(path).groupby(["task", "dataset"], as_index=False)["accuracy"].mean()
    rows = zip(means["task"], means["dataset"], means["accuracy"], strict=True)
    return {f"probe/{task}/{dataset}": float(value) for task, dataset, value in rows}


def params_of(run: Run) -> dict[str, str]:
    """The resolved configuration, flat: `losses.pixel.image` and so on; empty values are left out."""
    flat: dict[str, str] = {"preset": run.config.preset.preset}

    def add(place: str, value: Any) -> None:
        if isinstance(value, dict):
            for key, inner in value.items():
                add(f"{place}.{key}" if place else str(key), inner)
        elif value is not None and value != []:
            text = value if isinstance(value, str) else json.dumps(value)
            flat[place.removeprefix("method.")] = text[:6000]

    add("", run.resolved)
    return flat


def tags_of(run: Run, hashes: bool = True) -> dict[str, str]:
    """What a run is found by.

    Args:
        hashes: with the hash of its weights, which is slow and which a run under way does not have.
    """
    config = run.config
    command = "pretrain" if run.is_extractor else "train" if run.trained else "evaluate"
    tags = {"preset": config.preset.preset, "seed": str(run.seed)}
    tags |= {"mlflow.source.name": f"spsr {command} {run.name}", "mlflow.source.type": "LOCAL"}
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


def log_artifacts(client: "MlflowClient", run_id: str, run: Run) -> None:
    """The configuration, the record and curves of the training, and scores."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for name in ("configuration", "training", "scores"):
            (root / name).mkdir()
        resolved = yaml.safe_dump(run.resolved, allow_unicode=True, sort_keys=False)
        (root / "configuration" / "resolved.yaml").write_text(resolved, encoding="utf-8")
        shutil.copyfile(run.config.path, root / "configuration" / run.config.path.name)
        for file in (run.folder.record, run.folder.events):
            if file.is_file():
                shutil.copyfile(file, root / "training" / file.name)
        for dataset, path in run.score_files.items():
            shutil.copyfile(path, root / "scores" / f"{dataset}.csv")
        for name in ("configuration", "training", "scores"):
            if any((root / name).iterdir()):
                client.log_artifacts(run_id, str(root / name), name)


def log_samples(client: "MlflowClient", known: "MlflowRun", run: Run) -> None:
    """Sample images that a grid in MLflow compares across runs, unless they are there."""
    there = known.data.tags.get(_SAMPLES_TAG, "").split(", ")
    samples = samples_of(run)
    for key, path in samples.items():
        if key not in there:
            _log_image(client, known, key, path)
    if samples:
        client.set_tag(known.info.run_id, _SAMPLES_TAG, ", ".join(samples))


def _log_image(client: "MlflowClient", known: "MlflowRun", key: str, path: Path) -> None:
    """`MlflowClient.log_image` under one name however often, so that an import that is killed here doubles nothing."""
    from mlflow.tracking.multimedia import compress_image_size
    from mlflow.utils.mlflow_tags import MLFLOW_LOGGED_IMAGES

    identifier = uuid5(NAMESPACE_URL, f"{known.info.run_id}/{key}")
    stem = f"{key.replace('/', '~')}+step+0+timestamp+{known.info.start_time}+{identifier}"
    image = Image.fromarray(read_rgb(path))
    with tempfile.TemporaryDirectory() as folder:
        image.save(f"{folder}/{stem}.png")
        compress_image_size(image).save(f"{folder}/{stem}+compressed.webp")
        client.log_artifacts(known.info.run_id, folder, "images")
    client.set_tag(known.info.run_id, MLFLOW_LOGGED_IMAGES, True)


def samples_of(run: Run) -> dict[str, Path]:
    """The first super-resolved image of two benchmarks, by a key with the characters that MLflow takes."""
    names = {f"{dataset} {path.stem}": path for dataset, path in run.samples[:_SAMPLES]}
    return {f"{IMAGE_SECTION}/{re.sub('[^a-zA-Z0-9_. -]', '-', name)}": path for name, path in names.items()}
