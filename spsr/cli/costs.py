"""What `spsr methods --cost` shows."""

from rich.table import Table

from spsr.cli.progress_bar import progress_bar
from spsr.config import Config
from spsr.training.step_cost import step_of


def costs(config: Config) -> Table:
    """What one training step of each method takes, counted."""
    trained = [name for name, method in config.methods.items() if method.source == "trained"]
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
