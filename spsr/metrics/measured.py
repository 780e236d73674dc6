"""Which metrics there are by name, and which a preset measures."""

from collections.abc import Iterable

from spsr import plugins
from spsr.config import Config
from spsr.config.strict import suggestion
from spsr.errors import InputError, naming
from spsr.metrics.custom import CustomMetric
from spsr.metrics.metric import FURTHER_METRICS, METRICS, Metric


def metric_of(name: str) -> Metric:
    """The metric `name`, or one's own by reference; `InputError` with a suggestion if there is none."""
    if plugins.is_reference(name):
        return CustomMetric(name).record()
    known = {**METRICS, **FURTHER_METRICS}
    if name not in known:
        raise InputError(f"no metric '{name}'{suggestion(name, known)}")
    return known[name]


def measured(config: Config) -> dict[str, Metric]:
    """The paper's metrics, those that the preset adds, and those that its tables show, in the order of score files."""
    found: dict[str, Metric] = {}

    def add(place: str, names: Iterable[str]) -> None:
        with naming(f"{config.path}: {place}"):
            found.update((name, metric_of(name)) for name in names if name not in found)

    found.update(METRICS)
    add("metrics", config.preset.metrics)
    for table in config.preset.tables:
        add(f"{table}: metrics", config.table(table).metrics)
    return found


def further(config: Config) -> list[str]:
    """Those of `measured` that are not the paper's."""
    return [name for name in measured(config) if name not in METRICS]
