"""`spsr probe`."""

from typing import Annotated

import typer

from spsr.cli.options import Configfile, Device, MaxMinutes, Out, Restart, Seed, Set, configured
from spsr.cli.progress_bar import progress_bar
from spsr.training.execution import Execution
from spsr.training.extraction.probe import probe_extractor


def probe(
    extractor: Annotated[str, typer.Argument(help="nse_p_h, nse_p_v, nse_p_c, nse_j, nse_random, vgg19 or resnet18.")],
    configfile: Configfile = None,
    seed: Seed = 0,
    changes: Set = None,
    device: Device = None,
    out: Out = None,
    max_minutes: MaxMinutes = None,
    restart: Restart = False,
) -> None:
    """Measure what an extractor knows: accuracies of fresh heads on both self-supervised tasks (Section 5.2).

    The heads are trained on the training images while the extractor is frozen, then tested on every benchmark.
    """
    config = configured(configfile, changes, device)
    config.extractor(extractor)
    with progress_bar(f"probe {extractor}") as report:
        execution = Execution(out or config.layout.probe(extractor).parent, max_minutes, restart, report)
        file = probe_extractor(config, extractor, seed, execution)
    print(file)
