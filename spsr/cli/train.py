"""`spsr train`."""

from typing import Annotated

import typer

from spsr.cli.options import (
    Configfile,
    Device,
    MaxMinutes,
    Out,
    ReplayStep,
    Restart,
    RestartChanged,
    Seed,
    Set,
    VerifyDeterminism,
    configured,
)
from spsr.cli.training import execute, execution_of
from spsr.training.method_training import method_training


def train(
    method: Annotated[str, typer.Argument(help="A method that is trained here; `spsr methods` lists them.")],
    configfile: Configfile = None,
    seed: Seed = 0,
    changes: Set = None,
    device: Device = None,
    out: Out = None,
    max_minutes: MaxMinutes = None,
    restart: Restart = False,
    restart_changed: RestartChanged = False,
    verify_determinism: VerifyDeterminism = None,
    replay_step: ReplayStep = None,
) -> None:
    """Train a super-resolution method, or go on with its training where it was interrupted."""
    config = configured(configfile, changes, device)
    config.training_settings(method, seed)
    execute(
        config,
        method,
        seed,
        method_training(config, method, seed),
        execution_of(out or config.layout.run(method, seed).path, max_minutes, restart, restart_changed),
        verify_determinism=verify_determinism,
        replay_step=replay_step,
    )
