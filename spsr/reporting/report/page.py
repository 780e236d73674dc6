"""The report: one page that opens offline, from the verdicts down to each run and each image."""

import hashlib
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import yaml
from PIL import Image

from spsr.config import Config
from spsr.files import write_text
from spsr.metrics import METRICS
from spsr.reporting.figures.captions import CAPTIONS
from spsr.reporting.pages import environment, inside_script
from spsr.reporting.report.browser import data_address, image_data, score_data
from spsr.reporting.report.claims import check_all
from spsr.reporting.report.verdicts import Outcome, Verdict, count_outcomes, verdicts
from spsr.reporting.tables.filled import Cell, FilledTable, fill
from spsr.reporting.tables.grid import number
from spsr.reporting.tables.html import table_fragment
from spsr.reporting.tables.notes import DAGGER
from spsr.results.costs import run_cost
from spsr.results.runs import Run, finished_runs
from spsr.results.statistics import LEVEL, against_parent

_FIGURE_WIDTH = 1000
"""Pixels of the figures inside the page; the full ones lie beside it."""

_PACKAGES = ("spsr", "torch", "torchvision", "numpy", "scipy", "lpips", "pandas", "matplotlib", "mlflow", "snakemake")


def make_report(config: Config) -> Path:
    """Write `results/PRESET/report.html` from everything that there is; what is missing is a visible gap.

    Returns:
        The page.

    Raises:
        InputError: a file of results is broken.
    """
    tables = {name: fill(config, name) for name in config.preset.tables}
    runs = finished_runs(config)
    methods = [run for run in runs if not run.is_extractor]
    by_method = {run.name: run for run in reversed(methods)}

    def link(cell: Cell) -> str | None:
        run = by_method.get(cell.key.method)
        return f"#run-{run.title}" if run is not None else None

    found = verdicts(config, list(tables.values()))
    data = {
        "metrics": {name: {"title": metric.title, "digits": metric.digits} for name, metric in METRICS.items()},
        "scores": score_data(methods),
        "images": image_data(config, methods),
        "titles": _titles(config, methods),
    }
    page = (
        environment()
        .get_template("report.html.j2")
        .render(
            preset=config.preset,
            config_text=config.path.read_text(encoding="utf-8"),
            counts=count_outcomes(found),
            total=len(found),
            by_table=_by_table(tables, found),
            differing=[item for item in found if item.outcome == "differs"],
            tables=[(name, filled.heading, table_fragment(filled, link)) for name, filled in tables.items()],
            table_titles={name: filled.titles for name, filled in tables.items()},
            claims=check_all(config, tables),
            differences=[item for name in config.methods for item in against_parent(config, name).values()],
            level=LEVEL,
            figures=_figures(config),
            runs=[_run(config, run) for run in runs],
            costs=[item for run in runs if (item := run_cost(run)) is not None],
            environment=_environment(runs),
            metrics=METRICS,
            number=number,
            dagger=DAGGER,
            data=inside_script(data),
        )
    )
    write_text(config.layout.report, page)
    return config.layout.report


def _titles(config: Config, runs: list[Run]) -> dict[str, str]:
    several = {run.name for run in runs if len(config.seeds(run.name)) > 1}
    return {
        run.title: config.method(run.name).title + (f" (seed {run.seed})" if run.name in several else "")
        for run in runs
    }


def _by_table(tables: dict[str, FilledTable], found: list[Verdict]) -> list[tuple[str, str, dict[Outcome, int]]]:
    return [
        (name, filled.heading, count_outcomes([item for item in found if item.cell.key.table == name]))
        for name, filled in tables.items()
    ]


def _figures(config: Config) -> list[dict[str, str]]:
    """Every figure that was drawn: small inside the page, with links to the files beside it."""
    shown = []
    for name, caption in CAPTIONS.items():
        path = config.layout.figures / f"{name}.png"
        if not path.is_file():
            shown.append({"name": name, "caption": caption, "image": "", "png": "", "pdf": ""})
            continue
        with Image.open(path) as opened:
            image = opened.convert("RGB")
        image.thumbnail((_FIGURE_WIDTH, 10 * _FIGURE_WIDTH))
        pdf = path.with_suffix(".pdf")
        shown.append(
            {
                "name": name,
                "caption": caption,
                "image": data_address(image),
                "png": f"figures/{path.name}",
                "pdf": f"figures/{pdf.name}" if pdf.is_file() else "",
            }
        )
    return shown


def _run(config: Config, run: Run) -> dict[str, Any]:
    """What the section of a run shows."""
    declared = run.declared
    sha256 = ""
    if run.trained:
        with config.layout.model(run.name, run.seed).open("rb") as opened:
            sha256 = hashlib.file_digest(opened, "sha256").hexdigest()
    logs = sorted(config.layout.logs.glob(f"*/{run.name}.seed{run.seed}.log"))
    return {
        "title": run.title,
        "name": declared.title,
        "trained": run.trained,
        "configuration": yaml.safe_dump(run.resolved, allow_unicode=True, sort_keys=False, width=100),
        "inputs": run.record.get("inputs", {}),
        "commit": run.record.get("versions", {}).get("commit", ""),
        "sha256": sha256,
        "tables": [name for name, table in config.tables.items() if run.name in table.methods],
        "folder": run.folder.path.relative_to(config.layout.root).as_posix(),
        "logs": [log.relative_to(config.layout.root).as_posix() for log in logs],
        "has_scores": bool(run.score_files),
    }


def _environment(runs: list[Run]) -> dict[str, str]:
    """Versions on this machine, and those that trainings recorded where they differ."""
    found = {"Python": platform.python_version(), "platform": platform.platform()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    recorded: dict[str, set[str]] = {}
    for run in runs:
        for name, value in run.record.get("versions", {}).items():
            recorded.setdefault(name, set()).add(str(value))
    return found | {f"{name} of the trainings": ", ".join(sorted(values)) for name, values in recorded.items()}
