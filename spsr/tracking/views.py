"""Saved views of an experiment: the runs of one table, sorted, with its scores as columns; and the sample images."""

import base64
import json
import zlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

from spsr.config import Config
from spsr.metrics.measured import metric_of
from spsr.tracking.experiment import runs_page

if TYPE_CHECKING:
    from mlflow import MlflowClient

ALL_RUNS, IMAGES = "scores", "images"
"""Names of the views of every run's scores and of every run's samples; the others are named after their tables."""

IMAGE_SECTION = "Images"
"""What the keys of sample images begin with; MLflow's charts have a section for it."""

_TAG = "mlflow.sharedViewState."


def view_names(config: Config) -> list[str]:
    """Every saved view of a preset, that of all runs last."""
    return [*config.preset.tables, IMAGES, ALL_RUNS]


def address(runs: str, view: str) -> str:
    """Where MLflow opens a view, in the pages for training runs.

    Args:
        runs: the page of the experiment's runs.
    """
    mode = "&compareRunsMode=CHART" if view == IMAGES else ""
    return f"{runs}?viewStateShareKey={view}&workflowType=machine_learning{mode}"


def addresses(config: Config, port: int) -> dict[str, str]:
    """Where each saved view of a preset opens while `spsr ui` serves at `port`, that of all runs last."""
    runs = runs_page(config, port)
    return {view: address(runs, view) for view in view_names(config)}


def save_views(client: "MlflowClient", experiment: str, config: Config, images: Sequence[str]) -> None:
    """Save the views in the experiment, where they are not there as they should be.

    Args:
        images: keys of the sample images.
    """
    there = client.get_experiment(experiment).tags
    for view in view_names(config):
        state = _state(config, view) | (_image_grid(images) if view == IMAGES else {})
        if there.get(_TAG + view) != (shared := _shared(state)):
            client.set_experiment_tag(experiment, _TAG + view, shared)


def _shared(state: dict[str, object]) -> str:
    """As MLflow's pages share the state of a view: JSON, deflated, in base64."""
    return "deflate;" + base64.b64encode(zlib.compress(json.dumps(state).encode())).decode()


def _state(config: Config, view: str) -> dict[str, object]:
    """Which runs are listed, in which order, with which columns."""
    of_table = view in config.preset.tables
    columns = _columns(config, (view,) if of_table else config.preset.tables)
    state: dict[str, object] = {
        "searchFilter": f"tags.{view} = 'yes'" if of_table else "",
        "selectedColumns": columns,
        "columnOrder": columns,
        "runsHiddenMode": "SHOW_ALL",
    }
    if columns:
        metric = columns[0].rstrip("`").partition("/")[2]
        state |= {"orderByKey": columns[0], "orderByAsc": metric_of(metric).lower_is_better}
    return state


def _image_grid(images: Sequence[str]) -> dict[str, object]:
    """A chart over the whole width for each key, with the images of all runs and without their parameters."""
    kept = {"deleted": False, "isGenerated": False}
    chart = {"type": "IMAGE", "metricSectionId": IMAGES, "step": 0, "showRunParams": False, **kept}
    section = {"uuid": IMAGES, "name": IMAGE_SECTION, "display": True, "isReordered": False, **kept}
    return {
        "chartsSearchFilter": IMAGE_SECTION,
        "compareRunCharts": [{"uuid": key, "imageKeys": [key], **chart} for key in images],
        "compareRunSections": [{"columns": 1, "cardHeight": 800, **section}],
    }


def _columns(config: Config, tables: Sequence[str]) -> list[str]:
    """The scores that tables hold, each once, in their order."""
    declared = [config.tables[name] for name in tables]
    scores = [f"{dataset}/{metric}" for table in declared for dataset in table.datasets for metric in table.metrics]
    return [f"metrics.`{score}`" for score in dict.fromkeys(scores)]
