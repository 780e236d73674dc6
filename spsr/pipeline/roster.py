"""Which methods a preset runs, and why it does not run another: one answer for graph, tables, report and lists."""

from spsr.config import Config
from spsr.config.figure import ORIGINAL, figure_data
from spsr.data import registry, weights


def roster(config: Config) -> tuple[str, ...]:
    """Methods that are run, each once however many tables and figures hold it, starting points first."""
    preset = config.preset
    wanted = [name for table in preset.tables for name in config.table(table).methods]
    wanted += [name for figure in preset.figures for name in figure_data(figure).methods if name != ORIGINAL]
    run = [name for name in wanted if why_not(config, name) is None]
    starts = [config.method(name).init_from for name in run]
    return tuple(dict.fromkeys([*filter(None, starts), *run]))


def why_not(config: Config, name: str) -> str | None:
    """The reason for which the preset does not run a method, as a reader should see it; none if nothing forbids it."""
    method, maps = config.method(name), config.map_weights(name)
    if method.source == "released" and not _obtainable(str(method.weights)):
        return "its released weights are not available"
    if maps is not None and not _obtainable(maps):
        return f"the segmentation network that it needs is not available ({maps})"
    if not belongs(config, name):
        return "the preset leaves it out"
    return None


def belongs(config: Config, name: str) -> bool:
    """Whether a method is one of the preset's: `only` names it, or one that starts from it, or does not concern it."""
    only = config.preset.only
    if only is None or config.method(name).source != "trained" or name in only:
        return True
    return any(config.method(other).init_from == name for other in only)


def _obtainable(entry: str) -> bool:
    """Whether released weights are here, or can be had as a package wherever pip works."""
    return weights.available(entry) or any(source.kind == "pip" for source in registry.weight(entry).sources)
