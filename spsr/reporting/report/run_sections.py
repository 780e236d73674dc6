"""What the report says of each run."""

import hashlib
import statistics
from typing import Any

import yaml

from spsr.config import Config
from spsr.progress import duration
from spsr.results.costs import run_cost
from spsr.results.runs import Run


def run_section(config: Config, run: Run) -> dict[str, Any]:
    """The values that the template shows of a run."""
    sha256 = ""
    if run.trained:
        with config.layout.model(run.name, run.seed).open("rb") as opened:
            sha256 = hashlib.file_digest(opened, "sha256").hexdigest()
    logs = sorted(config.layout.logs.glob(f"*/{run.name}.seed{run.seed}.log"))
    cost = run_cost(run)
    by_dataset: dict[str, dict[str, float]] = {}
    for name, value in run.means.items():
        dataset, _, metric = name.partition("/")
        by_dataset.setdefault(dataset, {})[metric] = value
    return {
        "title": run.title,
        "name": run.declared.title,
        "trained": run.trained,
        "configuration": yaml.safe_dump(run.resolved, allow_unicode=True, sort_keys=False, width=100),
        "inputs": run.record.get("inputs", {}),
        "commit": run.record.get("versions", {}).get("commit", ""),
        "sha256": sha256,
        "tables": [name for name, table in config.tables.items() if run.name in table.methods],
        "folder": run.folder.path.relative_to(config.layout.root).as_posix(),
        "logs": [log.relative_to(config.layout.root).as_posix() for log in logs],
        "time": duration(cost.seconds) if cost is not None else "",
        "means": by_dataset,
        "overall": _mean(list(by_dataset.values())),
    }


def _mean(rows: list[dict[str, float]]) -> dict[str, float]:
    """Means over the benchmarks, each counting once, by metric."""
    shared = [metric for metric in (rows[0] if rows else {}) if all(metric in row for row in rows)]
    return {metric: statistics.fmean(row[metric] for row in rows) for metric in shared}
