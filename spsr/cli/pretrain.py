"""`spsr pretrain`."""

from typing import Annotated, Literal

import typer

from spsr.cli.options import Configfile, MaxMinutes, Out, Restart, RestartChanged, Seed


def pretrain(
    extractor: Annotated[str, typer.Argument(help="nse_p_h, nse_p_v, nse_p_c, nse_j or nse_random.")],
    configfile: Configfile = None,
    seed: Seed = 0,
    out: Out = None,
    max_minutes: MaxMinutes = None,
    restart: Restart = False,
    restart_changed: RestartChanged = False,
) -> None:
    """Train a structure extractor by contrastive prediction or jigsaw puzzles (Section 4.2)."""
    from spsr.cli.progress import progress
    from spsr.config import load

    config = load(configfile)
    config.extractor(extractor)

    from spsr.training.pretrain import pretrain_extractor

    how: bool | Literal["changed"] = restart or ("changed" if restart_changed else False)
    with progress(extractor) as report:
        file = pretrain_extractor(config, extractor, seed, out, max_minutes=max_minutes, restart=how, progress=report)
    print(file)
