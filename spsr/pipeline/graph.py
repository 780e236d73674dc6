"""The graph of a preset: which runs its tables need, and what each job reads and writes.

The workflow's rules take their inputs and parameters from here; there is no other logic in them.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from spsr.cluster.requests import Named, NamedRun, Requests, planned_minutes
from spsr.cluster.site import load_site
from spsr.config import Config, digest, resources
from spsr.config.preset import ImageSource
from spsr.config.settings import NATURALNESS
from spsr.config.table import FORMATS
from spsr.data import datasets
from spsr.data.inputs import training_inputs, weights_of
from spsr.metrics.measured import measured
from spsr.pipeline.evaluation import Evaluation, evaluations
from spsr.pipeline.roster import roster


@dataclass(frozen=True)
class Pipeline:
    """The jobs of one preset."""

    config: Config

    @cached_property
    def methods(self) -> tuple[str, ...]:
        """Methods that are run; see `spsr.pipeline.roster`."""
        return roster(self.config)

    @cached_property
    def trained(self) -> tuple[str, ...]:
        """Methods that are trained here."""
        return tuple(name for name in self.methods if self.config.method(name).source == "trained")

    @property
    def started_from(self) -> tuple[str, ...]:
        """Methods that are trained here and whose generators others start from."""
        return tuple(name for name in self.trained if name in self.config.starting_points)

    @property
    def fine_tuned(self) -> tuple[str, ...]:
        """Methods that are trained here and that no other starts from."""
        return tuple(name for name in self.trained if name not in self.config.starting_points)

    @cached_property
    def extractors(self) -> tuple[str, ...]:
        """Extractors that a method uses, and with probing all of them."""
        methods = [self.config.method(name) for name in self.trained]
        used = [method.extractor for method in methods if method.needs_structure]
        probed = self.config.extractors if self.config.preset.probe else ()
        return tuple(dict.fromkeys([*filter(None, used), *probed]))

    @cached_property
    def pretrained(self) -> tuple[str, ...]:
        """Extractors whose weights are made here."""
        return tuple(name for name in self.extractors if self.config.extractor(name).network == "nse")

    @cached_property
    def judges(self) -> tuple[str, ...]:
        """The naturalness discriminator, if a method asks it."""
        return (NATURALNESS,) if any(self.config.method(name).needs_naturalness for name in self.trained) else ()

    @property
    def trainings(self) -> tuple[str, ...]:
        """Everything that is trained here, what others start from or look through first."""
        return (*self.pretrained, *self.judges, *self.trained)

    @cached_property
    def benchmarks(self) -> tuple[str, ...]:
        """Names of the test sets, without the optional ones that are not at hand."""
        sources = self.config.preset.data.benchmarks
        return tuple(name for name, source in sources.items() if not source.optional or _at_hand(source))

    @property
    def threads(self) -> int:
        """CPU threads of one training."""
        return self.config.preset.compute.threads

    @property
    def weights_folder(self) -> Path:
        """Folder of the fetched weights."""
        return resources() / "weights"

    @property
    def datasets_folder(self) -> Path:
        """Folder of the fetched datasets."""
        return resources() / "datasets"

    @staticmethod
    def any_of(names: Iterable[str]) -> str:
        """A wildcard constraint that matches just `names`."""
        return "|".join(map(re.escape, names)) or "(?!)"

    @cached_property
    def weights(self) -> tuple[str, ...]:
        """Entries of the registry of weights that some job reads."""
        trainings = [needed.entry for name in self.trained for needed in training_inputs(self.config, name)]
        methods = [self.config.method(name).weights for name in self.methods]
        maps = [self.config.map_weights(name) for name in self.methods]
        extractors = [self.config.extractor_weights(name) for name in self.extractors]
        metrics = [entry for metric in measured(self.config).values() for entry in metric.weights]
        return tuple(dict.fromkeys(filter(None, [*metrics, *trainings, *methods, *maps, *extractors])))

    @cached_property
    def requests(self) -> Requests:
        """What the jobs ask of a cluster."""
        return Requests(self.config, load_site(), planned_minutes(self.config))

    def settings(self, run: NamedRun) -> str:
        """A digest of everything in the configuration that a run depends on: it re-runs when this changes."""
        return digest(self.config.training_settings(run.name, int(run.seed)))

    @property
    def all_settings(self) -> str:
        """A digest of the settings of every run."""
        runs = [(name, seed) for name in self.trainings for seed in self.config.seeds(name)]
        return digest([digest(self.config.training_settings(name, seed)) for name, seed in runs])

    def benchmark_sources(self, dataset: Named) -> list[Path]:
        """Files that the preparation of a test set waits for."""
        return self._sources(self.config.preset.data.benchmarks[dataset.name])

    def benchmark_settings(self, dataset: Named) -> str:
        """A digest of where a test set comes from."""
        return digest(self.config.preset.data.benchmarks[dataset.name])

    @property
    def training_sources(self) -> list[Path]:
        """Files that the preparation of the training images waits for."""
        return self._sources(*self.config.preset.data.training_sources)

    @property
    def training_source_settings(self) -> str:
        """A digest of where the training images come from."""
        return digest(self.config.preset.data.train)

    def training_inputs(self, run: NamedRun) -> list[Path]:
        """Files that the training of a method reads."""
        return [self.config.layout.training_pack, *(needed.file for needed in training_inputs(self.config, run.name))]

    @cached_property
    def validation_inputs(self) -> list[Path]:
        """Files that every training of a method looks at while it runs."""
        declared = self.config.preset.validation
        return [] if declared is None else [self.config.layout.passport(declared.benchmark)]

    @cached_property
    def evaluations(self) -> list[Evaluation]:
        """The rules that make images of the benchmarks and score them."""
        return evaluations(self.config, self.methods, self.benchmarks)

    def probe_settings(self, job: Named) -> str:
        """A digest of the settings of the probe."""
        probe = self.config.preset.probe
        extractor = self.config.extractor(job.name)
        return digest([extractor.model_dump(mode="json"), probe.model_dump(mode="json") if probe else None])

    def probe_inputs(self, job: Named) -> list[Path]:
        """Files that the probing of an extractor reads."""
        passports = [self.config.layout.passport(dataset) for dataset in self.benchmarks]
        return [self.config.layout.training_pack, weights_of(self.config, job.name).file, *passports]

    def scores(self, name: str, seed: int | str) -> list[Path]:
        """Files with the scores of one run on every benchmark."""
        return [self.config.layout.scores(name, int(seed), d) for d in self.benchmarks]

    def table_inputs(self, table: Named) -> list[Path]:
        """Scores of every run that a table shows."""
        methods = [name for name in self.config.table(table.name).methods if name in self.methods]
        return [file for name in methods for seed in self.config.seeds(name) for file in self.scores(name, seed)]

    def table_settings(self, table: Named) -> str:
        """A digest of a table's declaration."""
        return digest([self.config.table(table.name).model_dump(mode="json"), self.config.preset.mark])

    def table_outputs(self, table: str) -> list[Path]:
        """The table in every format."""
        return [self.config.layout.table(table, suffix) for suffix in FORMATS]

    @property
    def tables(self) -> list[Path]:
        """All tables in every format."""
        return [file for table in self.config.preset.tables for file in self.table_outputs(table)]

    @property
    def all_scores(self) -> list[Path]:
        """Scores of every run."""
        return [f for name in self.methods for seed in self.config.seeds(name) for f in self.scores(name, seed)]

    @property
    def all_images(self) -> list[Path]:
        """Records of the images of every run; a foreign method's are its own."""
        return [
            self.config.layout.upscaled(name, seed, dataset)
            for name in self.methods
            if self.config.method(name).images is None
            for seed in self.config.seeds(name)
            for dataset in self.benchmarks
        ]

    @property
    def models(self) -> list[Path]:
        """Weights that are trained here, of extractors and methods."""
        return [self.config.layout.model(name, seed) for name in self.trainings for seed in self.config.seeds(name)]

    @property
    def plans(self) -> list[Path]:
        """What the trainings will cost, if there are any."""
        return [self.config.layout.root / "plan.json"] if self.pretrained or self.trained else []

    @property
    def probes(self) -> list[Path]:
        """Accuracies of every extractor, if the preset probes them."""
        if self.config.preset.probe is None:
            return []
        return [self.config.layout.probe(name) for name in self.extractors]

    @property
    def measured_by_hand(self) -> list[Path]:
        """What figures show once it is there: votes of the study, and what each method costs to use."""
        return [
            file for file in (self.config.layout.study / "ranking.csv", self.config.layout.inference) if file.is_file()
        ]

    def _sources(self, *sources: ImageSource) -> list[Path]:
        return [self.datasets_folder / source.dataset / "passport.json" for source in sources if source.dataset]


def _at_hand(source: ImageSource) -> bool:
    """Whether the images of a source are on this machine."""
    if source.folder is not None:
        return Path(source.folder).is_dir()
    return source.dataset is None or datasets.available(source.dataset)
