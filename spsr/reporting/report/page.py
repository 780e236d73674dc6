"""The report: one page that opens offline, from the verdicts down to each run and each image."""

import platform
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import MappingProxyType

from spsr.config import Config
from spsr.evaluation.inference_costs import read_inference
from spsr.files import check_outputs, write_text
from spsr.metrics.measured import measured
from spsr.reporting.pages import environment, inside_script
from spsr.reporting.report.attachments import figures, table_files
from spsr.reporting.report.browser import image_data, score_data
from spsr.reporting.report.claims import check_all
from spsr.reporting.report.crops import crop_data
from spsr.reporting.report.run_sections import run_section
from spsr.reporting.report.verdicts import Outcome, Verdict, count_outcomes, verdicts
from spsr.reporting.tables.filled import Cell, FilledTable, fill
from spsr.reporting.tables.grid import number
from spsr.reporting.tables.html import BEST, SECOND, table_fragment
from spsr.reporting.tables.notes import DAGGER, notes
from spsr.results.costs import run_cost
from spsr.results.runs import Run, finished_runs
from spsr.results.statistics import LEVEL, against_parent

_RUN_METRICS = ("lpips", "psnr", "ssim")
"""The metrics of the paper's tables, which the line of a run shows."""

_PACKAGES = ("spsr", "torch", "torchvision", "numpy", "scipy", "lpips", "pandas", "matplotlib", "mlflow", "snakemake")


def make_report(config: Config, standalone: bool = False, views: Mapping[str, str] = MappingProxyType({})) -> Path:
    """Write `results/PRESET/report.html` from everything that there is; what is missing is a visible gap.

    Args:
        standalone: write `report-standalone.html` instead, which needs no other file: parts of some images are in it.
        views: addresses of the runs of each table in MLflow, by the table's name.

    Returns:
        The page.

    Raises:
        InputError: a file of results is broken.
    """
    path = config.layout.report.with_name("report-standalone.html") if standalone else config.layout.report
    check_outputs({"report": path}, [config.path])
    metrics = measured(config)
    tables = {name: fill(config, name) for name in config.preset.tables}
    runs = finished_runs(config)
    methods = [run for run in runs if not run.is_extractor]
    by_method = {run.name: run for run in reversed(methods)}

    def link(cell: Cell) -> str | None:
        run = by_method.get(cell.key.method)
        return f"#run-{run.title}" if run is not None else None

    found = verdicts(config, list(tables.values()))
    data = {
        "metrics": {
            name: {"title": metric.title, "head": metric.head, "digits": metric.digits, "lower": metric.lower_is_better}
            for name, metric in metrics.items()
        },
        "scores": score_data(methods),
        "images": (crop_data if standalone else image_data)(config, methods),
        "titles": _titles(config, methods),
    }
    common = _common_notes(list(tables.values()))
    page = (
        environment()
        .get_template("report/report.html.j2")
        .render(
            preset=config.preset,
            config_text=config.path.read_text(encoding="utf-8"),
            counts=count_outcomes(found),
            total=len(found),
            by_table=_by_table(tables, found),
            differing=[item for item in found if item.outcome == "differs"],
            tables=[
                table_fragment(filled, link, table_files(config, name, standalone), common, views.get(name))
                for name, filled in tables.items()
            ],
            notes=common,
            views=views,
            table_titles={name: filled.titles for name, filled in tables.items()},
            claims=check_all(config, tables),
            differences=[item for name in config.methods for item in against_parent(config, name).values()],
            level=LEVEL,
            figures=figures(config, standalone),
            runs=[run_section(config, run) for run in runs],
            inference=read_inference(config),
            costs=[item for run in runs if (item := run_cost(run)) is not None],
            environment=_environment(runs),
            metrics=metrics,
            shown_metrics=_RUN_METRICS,
            number=number,
            dagger=DAGGER,
            standalone=standalone,
            data=inside_script(data),
        )
    )
    write_text(path, page)
    return path


def _common_notes(tables: list[FilledTable]) -> list[str]:
    """The notes that hold for every table, in their order."""
    several = [notes(filled, BEST, SECOND) for filled in tables]
    return [note for note in several[0] if all(note in others for others in several)] if len(several) > 1 else []


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
