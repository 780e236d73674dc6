"""How far each run of a preset is and what is left of it, and where its results are, from the files that jobs write."""

import time
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median
from typing import Literal

from spsr.config import Config
from spsr.progress import duration

State = Literal["finished", "training", "stopped", "waiting"]
_READINGS = 5
_SILENCE_S = 600.0


@dataclass(frozen=True)
class RunStatus:
    """One training.

    Attributes:
        name, seed: of the method or extractor.
        state: `finished`; `training` if it wrote something lately; `stopped` with something done, to be gone on with;
            `waiting` with nothing done.
        step, iterations: steps that are done, of how many.
        rate: steps a second, median of the last readings; none before the first.
        starts: how often it was started.
    """

    name: str
    seed: int
    state: State
    step: int
    iterations: int
    rate: float | None
    starts: int

    @property
    def seconds_left(self) -> float | None:
        """Time to the end at the last rate; none where there is no rate."""
        if self.state == "finished":
            return 0.0
        return (self.iterations - self.step) / self.rate if self.rate else None


def read_progress(config: Config, name: str, seed: int, now: float | None = None) -> RunStatus:
    """How far a training is. Files that are just being written are read as far as they go.

    Args:
        now: seconds since the epoch.
    """
    folder = config.layout.run(name, seed)
    schedule = config.training_settings(name, seed).schedule
    iterations = schedule.iterations if schedule else 0
    readings = folder.read_ledger()
    starts = sum("began_at_step" in line for line in readings)
    rates = [line["iterations_per_s"] for line in readings if "iterations_per_s" in line]
    rate = median(rates[-_READINGS:]) if rates else None
    if folder.model.is_file():
        return RunStatus(name, seed, "finished", iterations, iterations, rate, starts)
    step = folder.last_step()
    if not readings:
        return RunStatus(name, seed, "waiting", 0, iterations, None, 0)
    last = readings[-1]
    patience = _SILENCE_S + 3 * last.get("seconds", 0.0)
    alive = (time.time() if now is None else now) - last.get("time", 0.0) < patience
    return RunStatus(name, seed, "training" if alive else "stopped", step, iterations, rate, starts)


def summary(runs: Iterable[RunStatus]) -> str:
    """`12 of 34 trainings finished, 4 training, 1 stopped; 8.5 h left one after the other`."""
    runs = list(runs)
    counts = {state: sum(run.state == state for run in runs) for state in ("training", "stopped", "waiting")}
    text = f"{sum(run.state == 'finished' for run in runs)} of {len(runs)} trainings finished"
    text += "".join(f", {count} {state}" for state, count in counts.items() if count)
    known = [run.seconds_left for run in runs if run.seconds_left]
    return text + (f"; {duration(sum(known))} left of those that have begun, one after the other" if known else "")


def whereabouts(config: Config) -> list[tuple[str, str, bool]]:
    """(what, where, whether it is there) of everything that a reader looks at."""
    layout = config.layout
    tables = [layout.table(name, "html") for name in config.preset.tables]
    made = sum(table.is_file() for table in tables)
    option = "" if config.preset.preset == "quick" else f" --configfile {config.path}"
    return [
        (f"{made} of {len(tables)} tables", str(layout.table("table", "html").parent), made > 0),
        ("figures", str(layout.figures), layout.figures.is_dir()),
        ("report", str(layout.report), layout.report.is_file()),
        ("MLflow", f"spsr ui{option}", (layout.tracking / "imported").is_file()),
    ]
