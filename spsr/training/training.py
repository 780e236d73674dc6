"""A run as a value: what it trains and what that depends on, put together before anything heavy is built."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from spsr.config import Config, TrainingSettings
from spsr.data.hashing import file_hash
from spsr.errors import InputError
from spsr.progress import Progress, silent
from spsr.training import loop, record
from spsr.training.task import Task
from spsr.training.validation import Validation


@dataclass(frozen=True)
class Training:
    """One run.

    Attributes:
        settings, inputs: what the weights depend on; see `spsr.training.loop.run`.
        fresh_task: sets the process up and builds the task before its first step.
        validation: see `spsr.training.loop.run`.
    """

    settings: TrainingSettings
    inputs: dict[str, str]
    fresh_task: Callable[[], Task]
    validation: Validation | None = None


def carry_out(
    training: Training,
    out: Path,
    *,
    max_minutes: float | None = None,
    restart: record.Restart = False,
    progress: Progress = silent,
) -> Path:
    """Train, or go on, in `out`; where the run is finished already nothing is built.

    Args:
        max_minutes, restart, progress: see `spsr.training.loop.run`.

    Returns:
        The file with the weights.

    Raises:
        InputError, Stopped, RunFailed: see `spsr.training.loop.run`.
    """
    if not record.is_finished(training.settings, training.inputs, out, restart):
        loop.run(
            training.fresh_task(),
            training.settings,
            training.inputs,
            out,
            validation=training.validation,
            max_minutes=max_minutes,
            restart=restart,
            progress=progress,
        )
    return out / record.MODEL


def training_images_hash(config: Config) -> str:
    """SHA-256 of the packed training images.

    Raises:
        InputError: they are not there, with the command that makes them.
    """
    index = config.layout.training_pack
    if not index.is_file():
        raise InputError(f"{index}: no packed training images; run `spsr prepare training --configfile {config.path}`")
    return file_hash(index.with_name("hr.npy"))
