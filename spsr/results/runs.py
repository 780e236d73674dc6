"""What the finished runs of a preset left on disk, as a reader of results sees it."""

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from spsr.config import Config, Extractor, Method
from spsr.config.run_folder import RunFolder
from spsr.config.settings import NATURALNESS, Judge
from spsr.pipeline.roster import belongs
from spsr.results.scores import read_scores


@dataclass(frozen=True)
class Run:
    """One method or extractor with one seed.

    Attributes:
        config: the preset.
        name: the method or extractor.
        seed: its seed.
    """

    config: Config = field(repr=False)
    name: str
    seed: int

    @property
    def title(self) -> str:
        """`METHOD-seedN`."""
        return f"{self.name}-seed{self.seed}"

    @property
    def folder(self) -> RunFolder:
        """Folder of the training."""
        return self.config.layout.run(self.name, self.seed)

    @property
    def is_extractor(self) -> bool:
        """Whether it is a structure extractor or the naturalness discriminator, not a method."""
        return self.name == NATURALNESS or self.name in self.config.extractors

    @property
    def declared(self) -> Method | Extractor | Judge:
        """What the configuration says of it."""
        if self.name == NATURALNESS:
            return Judge()
        return self.config.extractors.get(self.name) or self.config.methods[self.name]

    @property
    def users(self) -> list[str]:
        """Methods whose training looks through it."""
        methods = self.config.methods.items()
        if self.name == NATURALNESS:
            return [name for name, method in methods if method.needs_naturalness]
        return [name for name, method in methods if method.needs_structure and method.extractor == self.name]

    @property
    def score_files(self) -> dict[str, Path]:
        """The score files that exist, by benchmark."""
        if self.is_extractor:
            return {}
        layout, benchmarks = self.config.layout, self.config.preset.data.benchmarks
        files = {dataset: layout.scores(self.name, self.seed, dataset) for dataset in benchmarks}
        return {dataset: path for dataset, path in files.items() if path.is_file()}

    @property
    def trained(self) -> bool:
        """Whether there is a finished training."""
        return self.config.layout.model(self.name, self.seed).is_file()

    @cached_property
    def record(self) -> dict[str, Any]:
        """The content of `run.yaml`; empty if nothing was trained."""
        return (self.folder.read_record() or {}) if self.trained else {}

    @property
    def resolved(self) -> dict[str, Any]:
        """The configuration that was run: of the training where there is one, else the method as declared."""
        if "settings" in self.record:
            return dict(self.record["settings"])
        return {"method": self.config.method(self.name).model_dump(mode="json"), "seed": self.seed}

    @cached_property
    def events(self) -> list[dict[str, Any]]:
        """The lines of `events.jsonl`; empty if nothing was trained."""
        return self.folder.read_events() if self.trained else []

    @cached_property
    def ledger(self) -> list[dict[str, Any]]:
        """The lines of `ledger.jsonl`: what the training cost."""
        return self.folder.read_ledger()

    @property
    def means(self) -> dict[str, float]:
        """Means over images of this seed, as `DATASET/METRIC`."""
        found: dict[str, float] = {}
        for dataset in self.score_files:
            scores = read_scores(self.config, self.name, dataset)
            if scores is None or self.seed not in scores.seeds:
                continue
            row = scores.seeds.index(self.seed)
            found |= {f"{dataset}/{metric}": float(values[row].mean()) for metric, values in scores.values.items()}
        return found

    @property
    def samples(self) -> list[tuple[str, Path]]:
        """The first super-resolved image of each benchmark."""
        found = []
        for dataset in self.score_files:
            folder = self.config.images(self.name, self.seed, dataset)
            if images := sorted(folder.glob("*.png")):
                found.append((dataset, images[0]))
        return found


def finished_runs(config: Config) -> list[Run]:
    """Every (method or extractor, seed) with a finished training or scores, in the order of the configuration."""
    methods = [
        Run(config, name, seed) for name in config.methods if belongs(config, name) for seed in config.seeds(name)
    ]
    networks = (*config.extractors, NATURALNESS)
    extractors = [Run(config, name, seed) for name in networks for seed in config.seeds(name)]
    return [run for run in (*extractors, *methods) if run.trained or run.score_files]
