"""What `spsr train` and `spsr pretrain` do with a training."""

from pathlib import Path
from typing import Literal

from spsr.cli.live import logged_live
from spsr.cli.progress_bar import progress_bar
from spsr.config import Config
from spsr.errors import RunFailed
from spsr.training.debug.autopsy import replay
from spsr.training.debug.determinism import verify_determinism as first_difference
from spsr.training.record import CHECKPOINTS
from spsr.training.training import Training, carry_out


def run(
    config: Config,
    name: str,
    seed: int,
    training: Training,
    out: Path | None,
    *,
    max_minutes: float | None,
    restart: bool | Literal["changed"],
    verify_determinism: int | None,
    replay_step: int | None,
) -> None:
    """Carry a training out, or look at some of its steps only, in `out` or in the run's own folder."""
    folder = out or config.layout.run(name, seed).path
    if verify_determinism is not None:
        _verify(name, seed, training, verify_determinism)
        return
    if replay_step is not None:
        _replay(name, seed, training, folder, replay_step)
        return
    with progress_bar(name) as report:
        report = logged_live(config, name, seed, report) if out is None else report
        file = carry_out(training, folder, max_minutes=max_minutes, restart=restart, progress=report)
    print(file)


def how_to_restart(restart: bool, restart_changed: bool) -> bool | Literal["changed"]:
    """The two options as one value; see `spsr.training.record.Restart`."""
    return restart or ("changed" if restart_changed else False)


def _verify(name: str, seed: int, training: Training, steps: int) -> None:
    difference = first_difference(training.fresh_task, seed, steps)
    if difference is not None:
        raise RunFailed(f"{name}: two executions of {steps} steps differ first at {difference}")
    print(f"{name}: {steps} steps taken twice are equal to the bit")


def _replay(name: str, seed: int, training: Training, run: Path, step: int) -> None:
    task = training.fresh_task()
    print(f"{name}: step {step}: images: {', '.join(dict.fromkeys(task.batch_names(step)))}")
    print(f"{name}: step {step}: first bad module: {replay(task, run / CHECKPOINTS, seed, step)}")
