"""From the raters' files to the votes, their summary and Figure 9."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from spsr.config import Config
from spsr.errors import InputError
from spsr.files import atomic_path, check_outputs
from spsr.reporting.figures import votes as figure
from spsr.reporting.figures.style import SUFFIXES, save_figure, style
from spsr.study.ballots import read_ballots
from spsr.study.key import read_key
from spsr.study.ranking import summarise

VOTES = "votes.csv"


@dataclass(frozen=True)
class Collected:
    """What a study found.

    Attributes:
        summary: see `ranking.summarise`.
        inattentive: raters who failed an attention check.
        files: everything that was written.
    """

    summary: pd.DataFrame
    inattentive: tuple[str, ...]
    files: list[Path]


def collect(config: Config, folder: Path, ballots: Sequence[Path]) -> Collected:
    """Write `votes.csv`, `ranking.csv` and `figure9` beside the study's key.

    Raises:
        InputError: there is no such study, a ballot is refused or would be replaced, or no rater passed the attention
            checks.
    """
    figures = [f"figure9.{suffix}" for suffix in SUFFIXES]
    outputs: dict[str, Path | None] = {name: folder / name for name in (VOTES, figure.RANKING, *figures)}
    check_outputs(outputs, [config.path, folder / "key.json", *ballots])
    key = read_key(folder, config.preset.preset)
    votes = read_ballots(ballots, key)
    if votes.table.empty:
        raise InputError(f"{folder}: no rater passed the attention checks; there are no votes to count")
    summary = summarise(votes.table, key.methods)
    files = [_write(votes.table, folder / VOTES), _write(summary, folder / figure.RANKING)]
    with style():
        files += save_figure(figure.draw(config, summary), folder, "figure9", key.mark)
    return Collected(summary, votes.inattentive, files)


def _write(frame: pd.DataFrame, path: Path) -> Path:
    with atomic_path(path) as temporary:
        frame.to_csv(temporary, index=False, float_format="%.6f")
    return path
