"""`spsr pretrain`."""

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
from spsr.config import Config
from spsr.config.settings import NATURALNESS
from spsr.training.extraction.pretrain import extractor_training, write_untrained
from spsr.training.naturalness import naturalness_training
from spsr.training.task import Training


def pretrain(
    extractor: Annotated[str, typer.Argument(help="nse_p_h, nse_p_v, nse_p_c, nse_j, nse_random or nmd.")],
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
    """Train a structure extractor by self-supervision (Section 4.2), or nmd, which judges how natural images look."""
    config = configured(configfile, changes, device)
    folder = out or config.layout.run(extractor, seed).path
    execution = execution_of(folder, max_minutes, restart, restart_changed)
    untrained = extractor != NATURALNESS and config.extractor(extractor).task is None
    if untrained and verify_determinism is None and replay_step is None:
        print(write_untrained(config, extractor, seed, execution))
        return
    execute(
        config,
        extractor,
        seed,
        _training(config, extractor, seed),
        execution,
        verify_determinism=verify_determinism,
        replay_step=replay_step,
    )


def _training(config: Config, name: str, seed: int) -> Training:
    return naturalness_training(config, seed) if name == NATURALNESS else extractor_training(config, name, seed)
