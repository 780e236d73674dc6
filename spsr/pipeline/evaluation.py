"""The jobs that evaluate methods: which methods one job is of, and what it reads and writes."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from spsr.cluster.requests import NamedRun
from spsr.config import Config
from spsr.data import weights
from spsr.images import is_image
from spsr.metrics.measured import further, measured
from spsr.plugins import is_reference, source_file


@dataclass(frozen=True)
class Evaluation:
    """Jobs of one rule, each with one seed of some methods.

    Attributes:
        config: the preset.
        benchmarks: names of the test sets.
        names: methods.
        label: what the rule is called after its kind, such as `table2`; empty where every method has a job of its own.
        only: the part of `spsr evaluate` that a job does, or both.
    """

    config: Config
    benchmarks: Sequence[str]
    names: Sequence[str]
    label: str = ""
    only: Literal["upscale", "score"] | None = None

    @property
    def kind(self) -> str:
        """What a job does: `upscale`, `score`, or both, `evaluate`."""
        return self.only or "evaluate"

    @property
    def rule(self) -> str:
        """The rule's name, such as `score.table2`."""
        return ".".join(filter(None, (self.kind, self.label)))

    @property
    def log(self) -> Path:
        """A job's log."""
        return self.config.layout.logs / self.kind / f"{self.label or '{name}'}.seed{{seed}}.log"

    @property
    def part(self) -> str:
        """The option that has `spsr evaluate` do its part only."""
        return f"--only {self.only}" if self.only else ""

    @property
    def metrics(self) -> str:
        """The metrics beside the paper's: scores are made again when they change."""
        return "" if self.only == "upscale" else " ".join(further(self.config))

    @property
    def outputs(self) -> list[Path]:
        """Records of the images that a job makes, and score files that it writes."""
        layout = self.config.layout
        shown = self.names if self.label else ("{name}",)
        made = [name for name in shown if self.only != "score" and not (self.label and self._foreign(name))]
        scored = shown if self.only != "upscale" else ()
        upscaled = [layout.upscaled(name, "{seed}", dataset) for name in made for dataset in self.benchmarks]
        return upscaled + [layout.scores(name, "{seed}", dataset) for name in scored for dataset in self.benchmarks]

    def methods(self, job: NamedRun) -> list[str]:
        """The methods that a job is of."""
        return [*self.names] if self.label else [job.name]

    def inputs(self, job: NamedRun) -> list[Path]:
        """Files that the images of a job's methods are made from, and those that they are measured on and with."""
        inputs = [self.config.layout.passport(dataset) for dataset in self.benchmarks]
        if self.only != "upscale":
            for metric in measured(self.config).values():
                inputs += [weights.stored(entry) for entry in metric.weights]
                inputs += [source_file(metric.name)] if is_reference(metric.name) else []
        for name in self.methods(job):
            if images := self._foreign(name):
                folders = [Path(images) / dataset for dataset in self.benchmarks]
                inputs += sorted(file for each in folders if each.is_dir() for file in each.iterdir() if is_image(file))
            elif self.only == "score":
                inputs += [self.config.layout.upscaled(name, job.seed, dataset) for dataset in self.benchmarks]
            else:
                inputs += self._weights(name, job.seed)
        return list(dict.fromkeys(inputs))

    def _weights(self, name: str, seed: str) -> Iterator[Path]:
        method = self.config.method(name)
        if maps := self.config.map_weights(name):
            yield weights.stored(maps)
        if method.source == "trained":
            yield self.config.layout.model(name, seed)
        elif method.weights is not None:
            yield weights.stored(method.weights)
        elif method.checkpoint is not None:
            yield Path(method.checkpoint)

    def _foreign(self, name: str) -> str | None:
        return self.config.method(name).images


def evaluations(config: Config, methods: Sequence[str], benchmarks: Sequence[str]) -> list[Evaluation]:
    """The rules that make and score images.

    One job makes the images of one method, and one scores those of all methods that are in the same tables, so that
    no table waits for others. With the preset's `evaluate_together` that job makes their images, too.
    """
    if config.preset.evaluate_together:
        return _of_the_same_tables(config, methods, benchmarks, None)
    made = [name for name in methods if config.method(name).images is None]
    upscaling = Evaluation(config, benchmarks, made, only="upscale")
    return [upscaling, *_of_the_same_tables(config, methods, benchmarks, "score")]


def _of_the_same_tables(
    config: Config, methods: Sequence[str], benchmarks: Sequence[str], only: Literal["score"] | None
) -> list[Evaluation]:
    """One for all methods that are in the same tables and have the same seeds."""
    alike: dict[str, list[str]] = defaultdict(list)
    for name in methods:
        tables = [table for table in config.preset.tables if name in config.table(table).methods]
        seeds = config.seeds(name)
        more = [] if seeds == config.preset.seeds else [f"seed{seed}" for seed in seeds]
        alike["_".join([*(tables or ["others"]), *more])].append(name)
    return [Evaluation(config, benchmarks, tuple(names), label, only) for label, names in alike.items()]
