"""The jobs that evaluate methods: which methods one job is of, and what it reads and writes."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from spsr.cluster.requests import NamedRun
from spsr.config import Config
from spsr.data import weights
from spsr.images import is_image
from spsr.metrics.measured import measured
from spsr.plugins import is_reference, source_file


@dataclass(frozen=True)
class Evaluation:
    """Jobs of one rule, each with one seed of some methods.

    Attributes:
        config: the preset.
        benchmarks: names of the test sets.
        names: methods.
        label: what the rule is called after its kind, such as `table2`; empty where every method has a job of its own.
    """

    config: Config
    benchmarks: Sequence[str]
    names: Sequence[str]
    label: str = ""

    @property
    def suffix(self) -> str:
        """The end of the rule's name: `.table2`, or nothing."""
        return f".{self.label}" if self.label else ""

    @property
    def log(self) -> str:
        """The name of a job's log."""
        return f"{self.label or '{name}'}.seed{{seed}}.log"

    @property
    def upscaled(self) -> list[Path]:
        """Records of the images that a job makes."""
        return [self.config.layout.upscaled(name, "{seed}", d) for name in self._shown for d in self.benchmarks]

    @property
    def scores(self) -> list[Path]:
        """Score files that a job writes."""
        return [self.config.layout.scores(name, "{seed}", d) for name in self._shown for d in self.benchmarks]

    def methods(self, job: NamedRun) -> list[str]:
        """The methods that a job is of."""
        return [*self.names] if self.label else [job.name]

    def upscale_inputs(self, job: NamedRun) -> list[Path]:
        """Files that the images of a job's methods are made from."""
        inputs = self._passports
        for name in self.methods(job):
            method = self.config.method(name)
            if maps := self.config.map_weights(name):
                inputs.append(weights.stored(maps))
            if method.source == "trained":
                inputs.append(self.config.layout.model(name, job.seed))
            elif method.weights is not None:
                inputs.append(weights.stored(method.weights))
            elif method.checkpoint is not None:
                inputs.append(Path(method.checkpoint))
        return list(dict.fromkeys(inputs))

    def score_inputs(self, job: NamedRun) -> list[Path]:
        """Files that the scores of a job's methods are measured on and with."""
        inputs = self._passports
        for metric in measured(self.config).values():
            inputs += [weights.stored(entry) for entry in metric.weights]
            inputs += [source_file(metric.name)] if is_reference(metric.name) else []
        for name in self.methods(job):
            images = self.config.method(name).images
            if images is None:
                inputs += [self.config.layout.upscaled(name, job.seed, dataset) for dataset in self.benchmarks]
            else:
                folders = [Path(images) / dataset for dataset in self.benchmarks]
                inputs += sorted(file for each in folders if each.is_dir() for file in each.iterdir() if is_image(file))
        return inputs

    @property
    def _shown(self) -> Sequence[str]:
        return self.names if self.label else ("{name}",)

    @property
    def _passports(self) -> list[Path]:
        return [self.config.layout.passport(dataset) for dataset in self.benchmarks]


def upscalings(config: Config, methods: Sequence[str], benchmarks: Sequence[str]) -> list[Evaluation]:
    """The rules that make images, of each method for itself or as the preset's `upscale_together` says."""
    made = [name for name in methods if config.method(name).images is None]
    if config.preset.upscale_together:
        return _of_the_same_tables(config, made, benchmarks)
    return [Evaluation(config, benchmarks, made)]


def scorings(config: Config, methods: Sequence[str], benchmarks: Sequence[str]) -> list[Evaluation]:
    """The rules that score images: of the methods of the same tables in one job, so that no table waits for others."""
    return _of_the_same_tables(config, methods, benchmarks)


def _of_the_same_tables(config: Config, methods: Sequence[str], benchmarks: Sequence[str]) -> list[Evaluation]:
    """One for all methods that are in the same tables and have the same seeds."""
    alike: dict[str, list[str]] = defaultdict(list)
    for name in methods:
        tables = [table for table in config.preset.tables if name in config.table(table).methods]
        seeds = config.seeds(name)
        more = [] if seeds == config.preset.seeds else [f"seed{seed}" for seed in seeds]
        alike["_".join([*(tables or ["others"]), *more])].append(name)
    return [Evaluation(config, benchmarks, tuple(names), label) for label, names in alike.items()]
