"""Reading the ballots that raters send back: one JSON file each, refused if it was edited or is of another study."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pandas as pd
from pydantic import Field, TypeAdapter

from spsr.config.strict import Strict
from spsr.errors import InputError
from spsr.files import read_json
from spsr.study.key import BLURRED, ORIGINAL, Key


class Answer(Strict):
    """A rater's ranking of one trial.

    Attributes:
        trial: its place in the key.
        ranking: the options' places in the key, best first.
    """

    trial: int
    ranking: tuple[int, ...] = Field(strict=False)


class Ballot(Strict):
    """What the page of a study writes for one rater.

    Attributes:
        study: the hash of the study's key.
        checksum: SHA-256 of the study, the rater and the answers. It finds a file that was edited or cut; it is no
            signature, because the page that makes it is in the rater's hands.
    """

    format: Literal["spsr ballot 1"]
    study: str
    rater: str = Field(min_length=1, max_length=60, pattern=r"^[^\x00-\x1f\x7f-\x9f]*$")
    answers: tuple[Answer, ...] = Field(strict=False)
    checksum: str


_BALLOT = TypeAdapter(Ballot)


@dataclass(frozen=True)
class Votes:
    """The valid votes of a study.

    Attributes:
        table: a row for each rater, trial and method: rater, dataset, image, method, rank (1 is the best).
        inattentive: raters who ranked a blurred copy before its original; their votes are not in `table`.
    """

    table: pd.DataFrame
    inattentive: tuple[str, ...]


def read_ballots(files: Sequence[Path], key: Key) -> Votes:
    """Votes of all raters.

    Raises:
        InputError: a file is no ballot, was edited, is of another study, does not rank every option of every trial
            once, or names the rater of another file.
    """
    by_rater: dict[str, Path] = {}
    rows: list[dict[str, str | int]] = []
    inattentive = []
    for path in files:
        ballot = _read(path, key)
        if ballot.rater in by_rater:
            first = by_rater[ballot.rater]
            raise InputError(f"{path}: rater '{ballot.rater}' has voted in {first} already; leave one of the two out")
        by_rater[ballot.rater] = path
        if _is_attentive(ballot, key):
            rows += _rows(ballot, key)
        else:
            inattentive.append(ballot.rater)
    table = pd.DataFrame(rows, columns=["rater", "dataset", "image", "method", "rank"])
    return Votes(table, tuple(inattentive))


def _read(path: Path, key: Key) -> Ballot:
    ballot = read_json(path, _BALLOT, "cannot be read as a ballot; give the files that raters saved, unchanged")
    if ballot.study != key.study:
        raise InputError(f"{path}: is a ballot of another study; leave it out, or give that study's folder by --out")
    if ballot.checksum != checksum(ballot.study, ballot.rater, ballot.answers):
        raise InputError(f"{path}: was edited or is damaged; ask the rater for the file that the page wrote")
    sizes = {answer.trial: sorted(answer.ranking) for answer in ballot.answers}
    expected = {place: list(range(len(trial.options))) for place, trial in enumerate(key.trials)}
    if len(ballot.answers) != len(expected) or sizes != expected:
        raise InputError(f"{path}: does not rank every picture of every trial once; ask the rater to finish")
    return ballot


def checksum(study: str, rater: str, answers: Sequence[Answer]) -> str:
    """The hash that the page computes too: of the lines study, rater, and `trial:option,option,…` of each answer."""
    lines = [study, rater, *(f"{answer.trial}:{','.join(map(str, answer.ranking))}" for answer in answers)]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _is_attentive(ballot: Ballot, key: Key) -> bool:
    for answer in ballot.answers:
        trial = key.trials[answer.trial]
        if trial.is_attention_check:
            order = [trial.options[option].shows for option in answer.ranking]
            if order.index(ORIGINAL) > order.index(BLURRED):
                return False
    return True


def _rows(ballot: Ballot, key: Key) -> list[dict[str, str | int]]:
    rows: list[dict[str, str | int]] = []
    for answer in ballot.answers:
        trial = key.trials[answer.trial]
        if trial.is_attention_check:
            continue
        place = {"rater": ballot.rater, "dataset": trial.dataset, "image": trial.image}
        for rank, option in enumerate(answer.ranking, start=1):
            rows.append({**place, "method": trial.options[option].shows, "rank": rank})
    return rows
