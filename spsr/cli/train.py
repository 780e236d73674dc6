"""`spsr train`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from spsr.cli.options import Configfile, MaxMinutes, Out, Restart, RestartChanged, Seed

if TYPE_CHECKING:
    from spsr.config import Config


def train(
    method: Annotated[str, typer.Argument(help="A method that is trained here; `spsr methods` lists them.")],
    configfile: Configfile = None,
    seed: Seed = 0,
    out: Out = None,
    max_minutes: MaxMinutes = None,
    restart: Restart = False,
    restart_changed: RestartChanged = False,
    verify_determinism: Annotated[
        int | None,
        typer.Option(
            "--verify-determinism",
            min=1,
            help="Train nothing: take this many steps twice and name the first module that differs.",
        ),
    ] = None,
    replay_step: Annotated[
        int | None,
        typer.Option(
            "--replay-step",
            min=0,
            help="Train nothing: repeat this step from the checkpoint before it and say what is not finite.",
        ),
    ] = None,
) -> None:
    """Train a super-resolution method, or go on with its training where it was interrupted."""
    from spsr.cli.progress import progress
    from spsr.config import load

    config = load(configfile)
    config.training_settings(method, seed)

    if verify_determinism is not None:
        _verify(config, method, seed, verify_determinism)
        return
    if replay_step is not None:
        _replay(config, method, seed, out or config.layout.run(method, seed), replay_step)
        return

    from spsr.cli.live import logged_live
    from spsr.training.method import train_method

    how: bool | Literal["changed"] = restart or ("changed" if restart_changed else False)
    with progress(method) as report:
        report = logged_live(config, method, seed, report) if out is None else report
        train_method(config, method, seed, out, max_minutes=max_minutes, restart=how, progress=report)
    print(config.layout.model(method, seed) if out is None else out / "model.safetensors")


def _verify(config: "Config", method: str, seed: int, steps: int) -> None:
    from spsr.errors import RunFailed
    from spsr.training.determinism import verify_determinism
    from spsr.training.method import fresh_task

    difference = verify_determinism(lambda: fresh_task(config, method, seed), seed, steps)
    if difference is not None:
        raise RunFailed(f"{method}: two executions of {steps} steps differ first at {difference}")
    print(f"{method}: {steps} steps taken twice are equal to the bit")


def _replay(config: "Config", method: str, seed: int, run: Path, step: int) -> None:
    from spsr.training.autopsy import replay
    from spsr.training.method import fresh_task
    from spsr.training.record import CHECKPOINTS

    task = fresh_task(config, method, seed)
    print(f"{method}: step {step}: images: {', '.join(dict.fromkeys(task.batch_names(step)))}")
    print(f"{method}: step {step}: first bad module: {replay(task, run / CHECKPOINTS, seed, step)}")
