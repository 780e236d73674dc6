"""Trainings that an edit makes begin anew: named before anything is launched, and begun only when that is asked for.

A training whose settings or inputs are others than those of its run cannot go on. What it has done, which may be weeks
of work, is moved aside only with `--config restart_changed=yes`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spsr.config import Config
from spsr.config.training_settings import as_of_now, differences
from spsr.data.hashing import known_hash
from spsr.data.inputs import training_inputs
from spsr.errors import InputError

WORD = "restart_changed"


@dataclass(frozen=True)
class Renewal:
    """A training that cannot go on from its run.

    Attributes:
        name, seed: of the method, extractor or judge.
        steps: how many are done.
        reasons: what is not as it was.
        model: the file that its job makes.
    """

    name: str
    seed: int
    steps: int
    reasons: tuple[str, ...]
    model: Path


def renewals(config: Config, names: Iterable[str]) -> list[Renewal]:
    """The trainings that would begin anew, and those that read what they make.

    Packed training images are not compared here: the training itself does, when it starts.

    Args:
        names: methods, extractors and the judge; what others start from or look through first.
    """
    found: dict[tuple[str | None, int], Renewal] = {}
    for name in names:
        for seed in config.seeds(name):
            folder = config.layout.run(name, seed)
            try:
                record = folder.read_record()
            except InputError:
                continue
            if record is None:
                continue
            old, read = as_of_now(record["settings"]), record["inputs"]
            reasons = differences(old, config.training_settings(name, seed).plain())
            for needed in training_inputs(config, name):
                if (needed.run, needed.seed) in found:
                    reasons.append(f"{needed.run} begins anew")
                elif needed.file.is_file() and read.get(needed.purpose) != known_hash(needed.file):
                    reasons.append(f"{needed.purpose}: {needed.file} has changed")
            if reasons:
                steps = max((line.get("step", 0) for line in folder.read_ledger()), default=0)
                found[name, seed] = Renewal(name, seed, steps, tuple(reasons), folder.model)
    return list(found.values())


def listing(changed: Iterable[Renewal]) -> str:
    """The trainings that would begin anew, one a line, with the steps that they have and why."""
    lines = [
        f"  {one.name} seed {one.seed}, {one.steps} steps done: {'; '.join(reason[:100] for reason in one.reasons[:3])}"
        for one in changed
    ]
    return "\n".join(["Trainings that cannot go on, because what they depend on has changed:", *lines])


def asked_for(settings: Mapping[str, Any]) -> bool:
    """Whether `--config restart_changed=yes` was given."""
    return str(settings.get(WORD, "no")).lower() in ("yes", "true")


def refusal(changed: Iterable[Renewal], launched: Iterable[str]) -> str | None:
    """One line if a job that is launched would have to begin a training anew.

    Args:
        launched: outputs of the jobs that are launched.
    """
    made = set(launched)
    refused = [f"{one.name} seed {one.seed}" for one in changed if str(one.model) in made]
    if not refused:
        return None
    return (
        f"to be begun anew: {', '.join(refused[:5])}{', …' * (len(refused) > 5)}; "
        f"add `--config {WORD}=yes` to move what they have done aside, or undo the change"
    )
