"""How a command runs a training."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from spsr.progress import Progress, silent

RestartPolicy = bool | Literal["changed"]
"""False goes on with an earlier run, True begins anew, `changed` begins anew if its configuration is another."""


@dataclass(frozen=True)
class Execution:
    """One execution of a run. The weights do not depend on it.

    Attributes:
        out: the folder to write to.
        max_minutes: save and stop after this time; None goes on to the end.
        restart: what to do with an earlier run in `out`.
        progress: told of the steps at every logging interval, with a line of losses and rates.
    """

    out: Path
    max_minutes: float | None = None
    restart: RestartPolicy = False
    progress: Progress = silent
