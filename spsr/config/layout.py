"""Where everything lies: results of a preset, and downloads and prepared data shared by all."""

import os
from dataclasses import dataclass
from pathlib import Path

from spsr.config.run_folder import RunFolder


def resources() -> Path:
    """The folder of downloads and prepared data: `SPSR_RESOURCES`, or `resources` in the current folder."""
    return Path(os.environ.get("SPSR_RESOURCES", "resources"))


@dataclass(frozen=True)
class QuickTrial:
    """What `--set` changes of a preset.

    Attributes:
        name: of the folder for it.
        runs: the methods, extractors and judge whose weights are others; all else is the preset's own.
    """

    name: str
    runs: frozenset[str]


@dataclass(frozen=True)
class Layout:
    """Paths of one preset, relative to the current folder (the repository's root).

    Attributes:
        preset: its name.
        trial: results go into the folder of this trial, apart from the preset's own.
    """

    preset: str
    trial: QuickTrial | None = None

    @property
    def own(self) -> Path:
        """Folder of all results of the preset itself."""
        return Path("results") / self.preset

    @property
    def root(self) -> Path:
        """Folder of all results."""
        return self.own if self.trial is None else self.own / "trials" / self.trial.name

    @property
    def prepared(self) -> Path:
        """Folder of prepared training and test images."""
        return resources() / "prepared" / self.preset

    @property
    def training_pack(self) -> Path:
        """Index of the packed training images; the pixels lie beside it."""
        return self.prepared / "training" / "index.json"

    def benchmark(self, dataset: str) -> Path:
        """Folder with `HR/` and `LR/` images of a benchmark and its `passport.json`."""
        return self.prepared / dataset

    def passport(self, dataset: str) -> Path:
        """What a prepared benchmark holds; written last."""
        return self.benchmark(dataset) / "passport.json"

    def run(self, name: str, seed: int | str) -> RunFolder:
        """Folder of the training of a method or extractor."""
        root = self.root if self.trial is None or name in self.trial.runs else self.own
        return RunFolder(root / "runs" / name / f"seed{seed}")

    def model(self, name: str, seed: int | str) -> Path:
        """The trained weights of a method or extractor."""
        return self.run(name, seed).model

    def images(self, method: str, seed: int | str, dataset: str) -> Path:
        """Folder of the super-resolved images of a benchmark."""
        return self.root / "images" / method / f"seed{seed}" / dataset

    def upscaled(self, method: str, seed: int | str, dataset: str) -> Path:
        """What the super-resolved images of a benchmark are and were made from; written last."""
        return self.images(method, seed, dataset) / "upscaled.json"

    def lpips_maps(self, method: str, seed: int | str, dataset: str) -> Path:
        """Folder of the LPIPS maps of a benchmark's images: where each differs from its original."""
        return self.root / "lpips_maps" / method / f"seed{seed}" / dataset

    def scores(self, method: str, seed: int | str, dataset: str) -> Path:
        """Per-image scores of a method on a benchmark."""
        return self.root / "scores" / method / f"seed{seed}" / f"{dataset}.csv"

    def probe(self, extractor: str) -> Path:
        """Accuracies of an extractor on both tasks."""
        return self.root / "probes" / f"{extractor}.csv"

    def table(self, name: str, suffix: str) -> Path:
        """A table as `csv`, `md`, `tex` or `html`."""
        return self.root / "tables" / f"{name}.{suffix}"

    @property
    def inference(self) -> Path:
        """What each method costs to use on this machine."""
        return self.root / "inference.json"

    @property
    def figures(self) -> Path:
        """Folder of the figures."""
        return self.root / "figures"

    @property
    def study(self) -> Path:
        """Folder of the user study: its page, its key and its votes."""
        return self.root / "study"

    @property
    def report(self) -> Path:
        """The report page."""
        return self.root / "report.html"

    @property
    def logs(self) -> Path:
        """Folder of the logs, one a job."""
        return self.root / "logs"

    @property
    def tracking(self) -> Path:
        """Folder of the local MLflow store."""
        return self.root / "mlflow"
