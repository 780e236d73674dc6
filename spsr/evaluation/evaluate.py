"""Runs of methods on every benchmark of a preset: super-resolved images and their scores."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from spsr.config import Config
from spsr.errors import InputError, RunFailed
from spsr.evaluation.score_runs import score_runs
from spsr.evaluation.upscale_run import upscale_run
from spsr.progress import Progress, silent

Part = Literal["upscale", "score"]


def evaluate(
    config: Config, names: Sequence[str], seed: int, only: Part | None = None, progress: Progress = silent
) -> list[Path]:
    """Super-resolve every benchmark with one run of each method, then score the images (`upscale_run`, `score_runs`).

    Args:
        names: methods; one that fails does not keep the others from their results.
        only: one of the two parts; scoring takes the images that are there.

    Returns:
        The score files, or the records of the images where only these were made.

    Raises:
        InputError: unknown method; its weights, images or a prepared benchmark are missing (with the remedy).
        RunFailed: code of one's own failed.
    """
    files: list[Path] = []
    ready: list[str] = []
    problems: list[InputError | RunFailed] = []
    for name in names:
        try:
            files += upscale_run(config, name, seed, progress) if only != "score" else []
            ready.append(name)
        except (InputError, RunFailed) as error:
            problems.append(error)
    if only != "upscale":
        files, unscored = score_runs(config, ready, seed, progress)
        problems += unscored
    if problems:
        raise problems[0] if len(problems) == 1 else InputError("; ".join(map(str, problems)))
    return files
