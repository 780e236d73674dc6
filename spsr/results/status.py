"""How far each run of a preset is and what is left of it, and where its results are, from the files that jobs write."""

import re
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, Literal

from spsr.config import Config
from spsr.config.run_folder import RunFolder
from spsr.errors import InputError
from spsr.files import end_of
from spsr.pipeline import Pipeline
from spsr.progress import duration

State = Literal["finished", "not scored", "training", "failed", "stopped", "waiting"]
_READINGS = 5
_SILENCE_S = 600.0
_SEED = re.compile(r"seed(\d+)")
_ENDED = re.compile(r"(?P<stopped>stopped: )|(\w+: )?error: |\w*(Error|Exception)\b")
"""How the last line of a log begins whose command ended before its work was done."""


@dataclass(frozen=True)
class RunStatus:
    """One training.

    Attributes:
        name, seed: of the method or extractor.
        state: `finished`; `not scored` if it is, and scores are missing; `training` if it wrote something lately;
            `failed` if its log ends in an error; `stopped` with something done, to be gone on with; `waiting`.
        step, iterations: steps that are done, of how many.
        rate: steps a second, median of the last readings; none before the first.
        loss: the last of the generator, or of the only term; none before the first.
        said: the log of a failed training and the end of it.
        damaged: what is wrong with its files, a line each.
        trial: the trial that it belongs to.
        by_hand: no job of the workflow makes it.
    """

    name: str
    seed: int
    state: State
    step: int
    iterations: int
    rate: float | None = None
    loss: float | None = None
    said: str = ""
    damaged: tuple[str, ...] = ()
    trial: str = ""
    by_hand: bool = False

    @property
    def seconds_left(self) -> float | None:
        """Time to the end at the last rate; none where there is no rate."""
        if self.state in ("finished", "not scored"):
            return 0.0
        return (self.iterations - self.step) / self.rate if self.rate else None


def read_all(pipeline: Pipeline) -> list[RunStatus]:
    """Every training of a preset: those of the workflow, then those that were begun by hand, and those of trials."""
    config = pipeline.config
    made = [(name, seed) for name in pipeline.trainings for seed in config.seeds(name)]
    runs = []
    for name, seed in made:
        if name in config.extractors and config.extractor(name).task is None:
            continue
        scores = pipeline.scores(name, seed) if name in pipeline.trained else []
        runs.append(read_status(config, name, seed, scores=scores))
    for folder in sorted(config.layout.own.glob("trials/*/runs/*/seed*")):
        runs += _by_hand(config, folder, folder.parents[2].name)
    for folder in sorted(config.layout.own.glob("runs/*/seed*")):
        if _SEED.fullmatch(folder.name) and (folder.parent.name, int(folder.name[4:])) not in made:
            runs += _by_hand(config, folder, "")
    return runs


def _by_hand(config: Config, path: Path, trial: str) -> Iterator[RunStatus]:
    found = _SEED.fullmatch(path.name)
    if found and any(path.iterdir()):
        yield _status(config, RunFolder(path), path.parent.name, int(found[1]), trial=trial, by_hand=True)


def read_status(
    config: Config, name: str, seed: int, now: float | None = None, scores: Iterable[Path] = ()
) -> RunStatus:
    """How far a training of the workflow is. Files that are just being written are read as far as they go.

    Args:
        now: seconds since the epoch.
        scores: files that are there once a finished training is scored.
    """
    return _status(config, config.layout.run(name, seed), name, seed, now=now, scores=scores)


def _status(
    config: Config,
    folder: RunFolder,
    name: str,
    seed: int,
    *,
    now: float | None = None,
    scores: Iterable[Path] = (),
    **kind: Any,
) -> RunStatus:
    events, ledger, damaged = folder.read_as_it_grows()
    rates = [line["iterations_per_s"] for line in ledger if "iterations_per_s" in line]
    step = max((event["step"] for event in events), default=0)
    losses = events[-1]["losses"] if events else {}
    iterations, problem = _iterations(config, folder, name, seed)
    state, said = _state(config, folder, name, seed, ledger, time.time() if now is None else now)
    if state == "finished":
        step = iterations
        state = "finished" if all(file.is_file() for file in scores) else "not scored"
    return RunStatus(
        name,
        seed,
        state,
        step,
        iterations,
        median(rates[-_READINGS:]) if rates else None,
        losses.get("generator", next(iter(losses.values()), None)),
        said,
        (*damaged, *problem),
        **kind,
    )


def _state(
    config: Config, folder: RunFolder, name: str, seed: int, ledger: list[dict[str, Any]], now: float
) -> tuple[State, str]:
    """The state as the files tell it, and of a failed training the log and its last line."""
    if folder.model.is_file():
        return "finished", ""
    last = ledger[-1] if ledger else {}
    rule = "train" if name in config.methods else "pretrain"
    log = config.layout.logs / rule / f"{name}.seed{seed}.log"
    # What began after this log ended writes its ledger, and tells more.
    own = folder.path == config.layout.run(name, seed).path
    if own and log.is_file() and log.stat().st_mtime >= last.get("time", 0.0):
        line = "".join(end_of(log, 1))
        if ended := _ENDED.match(line):
            return ("stopped", "") if ended["stopped"] else ("failed", f"{log}: {line}")
    if not ledger:
        return "waiting", ""
    alive = now - last.get("time", 0.0) < _SILENCE_S + 3 * last.get("seconds", 0.0)
    return "training" if alive else "stopped", ""


def _iterations(config: Config, folder: RunFolder, name: str, seed: int) -> tuple[int, list[str]]:
    """Steps of the whole training, as its record says or else the preset, and what is wrong with the record."""
    problem = []
    try:
        record = folder.read_record() or {}
        schedule = record["settings"]["schedule"]
        return int(schedule["iterations"]) if schedule else 0, []
    except InputError as error:
        problem = [str(error)]
    except (KeyError, TypeError, ValueError):
        pass
    try:
        declared = config.training_settings(name, seed).schedule
    except InputError:
        declared = None
    return declared.iterations if declared else 0, problem


def summary(runs: Iterable[RunStatus]) -> str:
    """`12 of 34 trainings finished, 4 training, 1 stopped; 8.5 h left of those that have begun`, in one line."""
    runs = list(runs)
    planned = [run for run in runs if not run.by_hand]
    counts = {
        state: sum(run.state == state for run in planned)
        for state in ("not scored", "training", "failed", "stopped", "waiting")
    }
    text = f"{sum(run.state in ('finished', 'not scored') for run in planned)} of {len(planned)} trainings finished"
    text += "".join(f", {count} {state}" for state, count in counts.items() if count)
    text += f", {len(runs) - len(planned)} more by hand" if len(runs) > len(planned) else ""
    known = [run.seconds_left for run in runs if run.seconds_left]
    return text + (f"; {duration(sum(known))} left of those that have begun, one after the other" if known else "")


def whereabouts(pipeline: Pipeline) -> list[tuple[str, str, bool]]:
    """(what, where, whether it is there) of everything that a reader looks at."""
    config, layout = pipeline.config, pipeline.config.layout
    runs = [pipeline.scores(name, seed) for name in pipeline.methods for seed in config.seeds(name)]
    scored = sum(all(file.is_file() for file in files) for files in runs)
    tables = [layout.table(name, "html") for name in config.preset.tables]
    made = sum(table.is_file() for table in tables)
    option = "" if config.preset.preset == "quick" else f" --configfile {config.path}"
    return [
        (f"{scored} of {len(runs)} scored", str(layout.root / "scores"), scored > 0),
        (f"{made} of {len(tables)} tables", str(layout.table("table", "html").parent), made > 0),
        ("figures", str(layout.figures), layout.figures.is_dir()),
        ("report", str(layout.report), layout.report.is_file()),
        ("MLflow", f"spsr ui{option}", (layout.tracking / "imported").is_file()),
    ]
