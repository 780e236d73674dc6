"""What `spsr methods --cost` and `--inference` show."""

from collections.abc import Sequence

from rich.table import Table

from spsr.cli.progress_bar import progress_bar
from spsr.config import Config
from spsr.evaluation.inference_costs import measure_inference
from spsr.training.step_cost import step_of


def costs(config: Config, names: Sequence[str]) -> Table:
    """What one training step of the methods with these names takes, or of every method, counted."""
    trained = [name for name in names or config.methods if config.method(name).source == "trained"]
    counted = {}
    with progress_bar("counting") as report:
        for done, name in enumerate(trained):
            report(done, len(trained), name)
            counted[name] = step_of(config, name).cost()
        report(len(trained), len(trained), "")
    table = Table(
        title=f"One training step at the sizes of {config.path}",
        title_justify="left",
        caption="GFLOP per sample, 2 per multiply-add, forward and backward, after the fusion warm-up. "
        "Separate: the generator's loss and the discriminators' own each have forward passes of the discriminators, "
        "as in the official code; here they share them, with the same result.",
        caption_justify="left",
    )
    table.add_column("name")
    for column in ("generator", "discriminators", "GFLOP", "separate"):
        table.add_column(column, justify="right")
    for name, cost in counted.items():
        gflops = (f"{flops / 1e9:.1f}" for flops in (cost.flops, cost.separate_flops))
        table.add_row(name, f"{cost.generator:,}", f"{cost.discriminators:,}", *gflops)
    return table


def inference_costs(config: Config) -> Table:
    """What each method takes to be used on this machine, measured and written to the preset's results."""
    with progress_bar("measuring") as report:
        rows = measure_inference(config, report)
    devices = ", ".join(dict.fromkeys(row.device for row in rows))
    table = Table(
        title=f"An LR image of 256x256 at the sizes of {config.path.name}",
        title_justify="left",
        caption=f"On {devices}: median of a few passes over the whole image in fp32, each network in a process of its "
        "own; memory is that of weights and of one pass. GFLOP count 2 per multiply-add, where the efficiency "
        f"challenge of NTIRE counts 1. Kept in {config.layout.inference}; the next report shows it.",
        caption_justify="left",
    )
    for column in ("name", "network"):
        table.add_column(column, overflow="fold")
    for column in ("parameters", "GFLOP", "seconds", "MB"):
        table.add_column(column, justify="right")
    for row in rows:
        numbers = f"{row.parameters:,}", f"{row.flops / 1e9:.1f}", f"{row.seconds:.3g}", f"{row.peak_memory_mb:.0f}"
        table.add_row(row.method, row.network, *numbers)
    return table
