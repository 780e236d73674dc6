"""`spsr pretrain`."""

from typing import Annotated, Literal

import typer

from spsr.cli.options import Configfile, MaxMinutes, Out, Restart, RestartChanged, Seed


def pretrain(
    extractor: Annotated[str, typer.Argument(help="nse_p_h, nse_p_v, nse_p_c, nse_j, nse_random or nmd.")],
    configfile: Configfile = None,
    seed: Seed = 0,
    out: Out = None,
    max_minutes: MaxMinutes = None,
    restart: Restart = False,
    restart_changed: RestartChanged = False,
) -> None:
    """Train a structure extractor by self-supervision (Section 4.2), or nmd, which judges how natural images look."""
    from spsr.cli.live import logged_live
    from spsr.cli.progress import progress
    from spsr.config import load
    from spsr.config.settings import NATURALNESS

    config = load(configfile)
    how: bool | Literal["changed"] = restart or ("changed" if restart_changed else False)
    if extractor == NATURALNESS:
        from spsr.training.naturalness import pretrain_naturalness

        with progress(extractor) as report:
            report = logged_live(config, extractor, seed, report) if out is None else report
            print(pretrain_naturalness(config, seed, out, max_minutes=max_minutes, restart=how, progress=report))
        return
    config.extractor(extractor)

    from spsr.training.pretrain import pretrain_extractor

    with progress(extractor) as report:
        report = logged_live(config, extractor, seed, report) if out is None else report
        file = pretrain_extractor(config, extractor, seed, out, max_minutes=max_minutes, restart=how, progress=report)
    print(file)
