"""A preset together with the methods, extractors and tables it is about: the one object that everything reads."""

import shlex
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from spsr.config.layout import Layout, QuickTrial
from spsr.config.method import Method
from spsr.config.preset import Preset
from spsr.config.references import find
from spsr.config.settings import MAP_WEIGHTS, NATURALNESS, Extractor, Judge, Recipe, Schedule
from spsr.config.table import Table
from spsr.config.training_settings import TrainingSettings
from spsr.errors import InputError

CONFIGS = (Path(__file__).resolve().parents[1] / "configs").resolve()
"""Folder of everything that is declared: in a checkout the link `spsr/configs` leads to it, a wheel holds it there."""


@dataclass(frozen=True)
class Config:
    """A validated configuration. Use `load` to make one.

    Attributes:
        path: the preset file.
        preset: its content.
        methods, extractors, tables: everything that is declared, by name.
        changes: settings of `--set` in which it is another than its file.
        trial: what they change; none if nothing on which results depend.
    """

    path: Path
    preset: Preset
    methods: dict[str, Method]
    extractors: dict[str, Extractor]
    tables: dict[str, Table]
    changes: tuple[str, ...] = ()
    trial: QuickTrial | None = None

    @cached_property
    def layout(self) -> Layout:
        """Paths of this preset."""
        return Layout(self.preset.preset, self.trial)

    @property
    def options(self) -> str:
        """How a command names this configuration."""
        return " ".join((f"--configfile {self.path}", *(f"--set {shlex.quote(change)}" for change in self.changes)))

    def method(self, name: str) -> Method:
        """The method `name`; `InputError` with a suggestion if there is none."""
        return find("method", name, self.methods, self.path)

    def extractor(self, name: str) -> Extractor:
        """The extractor `name`; `InputError` with a suggestion if there is none."""
        return find("extractor", name, self.extractors, self.path)

    def table(self, name: str) -> Table:
        """The table `name`; `InputError` with a suggestion if there is none."""
        return find("table", name, self.tables, self.path)

    def schedule(self, name: str) -> Schedule:
        """The schedule `name`; `InputError` with a suggestion if the preset has none."""
        return find("schedule", name, self.preset.schedules, self.path)

    def require_benchmark(self, name: str) -> None:
        """`InputError` with a suggestion if the preset has no benchmark `name`."""
        find("benchmark", name, self.preset.data.benchmarks, self.path)

    def seeds(self, name: str) -> tuple[int, ...]:
        """Seeds of the runs of a method or extractor.

        A computed, released or foreign method has one result. Starting points (extractors, and methods that
        others start from) are trained once, with the first seed.
        """
        method = self.methods.get(name)
        first = self.preset.seeds[:1]
        if method is None or method.source != "trained" or name in self.starting_points:
            return first
        return tuple(dict.fromkeys(self.preset.seeds + self.preset.more_seeds.get(name, ())))

    def starts_of(self, name: str) -> dict[str, str]:
        """The methods, extractors and judge whose weights the training of a method reads, by what they are to it."""
        method = self.methods.get(name)
        if method is None:
            return {}
        starts = {
            "initial weights": method.init_from,
            "extractor": method.extractor if method.needs_structure else None,
            "naturalness": NATURALNESS if method.needs_naturalness else None,
        }
        return {purpose: start for purpose, start in starts.items() if start is not None}

    def images(self, method: str, seed: int | str, dataset: str) -> Path:
        """Folder of a method's super-resolved images of a benchmark: its own where they come from elsewhere."""
        foreign = self.method(method).images
        return self.layout.images(method, seed, dataset) if foreign is None else Path(foreign) / dataset

    @cached_property
    def starting_points(self) -> frozenset[str]:
        """Methods whose generators others start from."""
        return frozenset(method.init_from for method in self.methods.values() if method.init_from)

    def size(self, network: str) -> dict[str, Any]:
        """Sizes of a network in this preset, where they differ from the paper's."""
        return dict(self.preset.networks.get(network, {}))

    def generator_size(self, name: str) -> dict[str, Any]:
        """Sizes of a method's generator: the preset's, then the method's own."""
        generator = self.method(name).generator
        if generator is None:
            raise InputError(f"{self.path}: method '{name}' has no generator; choose one that is trained here")
        return self.size(generator.name) | generator.size

    def maps(self, name: str) -> str | None:
        """Where the probability maps of a method's generator come from; none for all but SFTGAN."""
        generator = self.method(name).generator
        if generator is None or generator.name != "sftgan":
            return None
        return str(self.generator_size(name).get("maps", "outdoor_scene"))

    def map_weights(self, name: str) -> str | None:
        """Registry entry of the network that makes a method's probability maps; none if none does."""
        from_folder = self.method(name).source != "trained" and name in self.preset.probability_maps
        return None if from_folder else MAP_WEIGHTS.get(self.maps(name) or "")

    def extractor_weights(self, name: str) -> str | None:
        """Registry entry of an extractor's weights in this preset; none for a NSE."""
        return self.preset.extractor_weights.get(name, self.extractor(name).weights)

    def recipe(self, name: str) -> Recipe | None:
        """The recipe, for a method whose steps it changes; none for a PSNR-oriented one (only `pixel/image`)."""
        psnr_oriented = all(term.name == "pixel/image" for term in self.method(name).losses.terms())
        return None if psnr_oriented else self.preset.recipe

    def training_settings(self, name: str, seed: int) -> TrainingSettings:
        """What the run of a method, an extractor or the judge depends on."""
        preset, schedule = self.preset, self.schedule
        common = partial(
            TrainingSettings,
            seed=seed,
            compute=preset.compute,
            train=preset.data.train,
            tiling=preset.data.tiling,
        )
        if name in self.extractors:
            extractor = self.extractors[name]
            return common(
                method=extractor,
                schedule=schedule(extractor.task) if extractor.task else None,
                anchors_per_patch=preset.anchors_per_patch if extractor.task == "contrastive" else None,
                puzzles_per_patch=preset.puzzles_per_patch if extractor.task == "jigsaw" else None,
            )
        if name == NATURALNESS:
            size = self.size(NATURALNESS)
            return common(method=Judge(), schedule=schedule("naturalness"), size=size, naturalness=preset.naturalness)
        method, recipe = self.method(name), self.recipe(name)
        if method.source != "trained":
            raise InputError(f"{self.path}: method '{name}' is {method.source}; there is nothing to train")
        looked_through = method.extractor if method.needs_structure else None
        return common(
            method=method.model_copy(update={"title": name, "extends": None}),
            schedule=schedule(method.schedule),
            size=self.generator_size(name),
            recipe=recipe,
            start=preset.recipe.start,
            perceptual=preset.perceptual if recipe else None,
            discriminator=self.size("discriminator") if recipe else {},
            extractor_weights=self.extractor_weights(looked_through) if looked_through else None,
        )
