"""Names in the configuration that stand for something declared elsewhere: every "no such name" in one place."""

from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeVar

from spsr.config.method import Method
from spsr.config.networks import GENERATORS, NETWORKS, size_types, wrong_size
from spsr.config.preset import PHOTOGRAPHS, ImageSource, Preset
from spsr.config.settings import MAP_PROVIDERS, Extractor
from spsr.config.strict import suggestion
from spsr.config.table import Table
from spsr.config.yaml_source import Place, Source
from spsr.errors import InputError
from spsr.plugins import is_reference, source_file

Entry = TypeVar("Entry")

REGISTRIES = (Path(__file__).resolve().parents[1] / "configs").resolve()
PRETEXTS = ("contrastive", "jigsaw")


def find(kind: str, name: str, entries: Mapping[str, Entry], place: Path | str) -> Entry:
    """The entry `name`; `InputError` with the place and a suggestion if there is none."""
    if name not in entries:
        raise InputError(f"{place}: no {kind} '{name}'{suggestion(name, entries)}")
    return entries[name]


class Reference(NamedTuple):
    """A name at a place of a file, and the entries of its kind."""

    place: Place
    kind: str
    name: str | None
    entries: Mapping[str, Any]


@cache
def registered(kind: Literal["weights", "datasets"]) -> Mapping[str, Any]:
    """The entries of the registry of weights or of datasets, by name."""
    entries: Mapping[str, Any] = Source(REGISTRIES / f"{kind}.yaml").data[kind]
    return entries


def check_size(source: Source, place: Place, network: str, size: Mapping[str, Any]) -> None:
    """Every size that is given of a network is one that its class takes, and of its type."""
    types = size_types(network)
    for key, value in size.items():
        where = f"{source.where((*place, key))}: {'.'.join(map(str, (*place, key)))}"
        find("size", key, types, where)
        remedy = wrong_size(types[key], value)
        if key == "maps" and value not in MAP_PROVIDERS:
            remedy = f"there are no such maps{suggestion(str(value), MAP_PROVIDERS)}"
        if remedy is not None:
            raise InputError(f"{where}: {remedy} (given: {value!r})")


def check_preset(
    source: Source,
    preset: Preset,
    methods: Mapping[str, Method],
    extractors: Mapping[str, Extractor],
    tables: Mapping[str, Table],
) -> None:
    """Every name in a preset file is one of its own, of a method, an extractor, a table, a network or a registry.

    Args:
        methods: those of `methods.yaml`.
    """
    rows = {**methods, **preset.results}

    def references() -> Iterator[Reference]:
        for name in preset.more_seeds:
            yield Reference(("more_seeds", name), "method", name, methods)
        for name in preset.released:
            yield Reference(("released", name), "method", name, methods)
        for name, foreign in preset.results.items():
            for table in foreign.tables:
                yield Reference(("results", name, "tables"), "table", table, tables)
        if preset.validation is not None:
            looked_at = ("validation", "benchmark")
            yield Reference(looked_at, "benchmark", preset.validation.benchmark, preset.data.benchmarks)
        for index, name in enumerate(preset.tables):
            yield Reference(("tables", index), "table", name, tables)
        for index, name in enumerate(preset.only or ()):
            yield Reference(("only", index), "method", name, rows)

        for name in preset.extractor_weights:
            yield Reference(("extractor_weights", name), "extractor", name, extractors)
        for key in ("extractor_weights", "released"):
            for name, entry in getattr(preset, key).items():
                yield Reference((key, name), "weights", entry, registered("weights"))
        yield Reference(("perceptual", "weights"), "weights", preset.perceptual.weights, registered("weights"))
        several = not isinstance(preset.data.train, ImageSource)
        sources: dict[Place, ImageSource] = {
            ("data", "train", *((index,) if several else ())): images
            for index, images in enumerate(preset.data.training_sources)
        }
        sources |= {("data", "benchmarks", name): images for name, images in preset.data.benchmarks.items()}
        for place, images in sources.items():
            yield Reference((*place, "dataset"), "dataset", images.dataset, registered("datasets"))
            for index, name in enumerate(images.scikit_image):
                yield Reference((*place, "scikit_image", index), "photograph", name, dict.fromkeys(PHOTOGRAPHS))
        figures = Source(REGISTRIES / "figures.yaml").data if preset.figures else {}
        for index, name in enumerate(preset.figures):
            yield Reference(("figures", index), "figure of images", name, figures)
        used = dict.fromkeys([*methods, *(method.schedule for method in methods.values()), *PRETEXTS, "naturalness"])
        for name in preset.schedules:
            yield Reference(("schedules", name), "training with the schedule", name, used)
        for name in preset.networks:
            yield Reference(("networks", name), "network", name, {**NETWORKS, "discriminator": ""})

    _check(source, references())
    for name, size in preset.networks.items():
        check_size(source, ("networks", name), name, size)
    for name in preset.results:
        if name in methods:
            raise InputError(f"{source.where(('results', name))}: there is a method '{name}'; choose another name")
    for name in preset.probability_maps:
        generator = methods[name].generator if name in methods else None
        if generator is None or generator.name != "sftgan":
            where = source.where(("probability_maps", name))
            raise InputError(f"{where}: '{name}' takes no probability maps; name a method with the generator sftgan")


def check_methods(source: Source, methods: Mapping[str, Method], extractors: Mapping[str, Extractor]) -> None:
    """Every method that one starts from, every extractor, generator and entry of weights is declared; sizes fit."""
    _check(source, (Reference((name, "init_from"), "method", m.init_from, methods) for name, m in methods.items()))
    _check(
        source, (Reference((name, "extractor"), "extractor", m.extractor, extractors) for name, m in methods.items())
    )
    _check(
        source,
        (Reference((name, "weights"), "weights", m.weights, registered("weights")) for name, m in methods.items()),
    )
    for name, method in methods.items():
        chain = [name]
        while (start := methods[chain[-1]].init_from) is not None:
            if start in chain:
                where = source.where((name, "init_from"))
                raise InputError(f"{where}: {' → '.join((*chain, start))}: starts from itself; break the circle")
            chain.append(start)
        generator = method.generator
        if generator is not None and not is_reference(generator.name):
            place = (name, "generator", "name")
            find("network", generator.name, GENERATORS, f"{source.where(place)}: {'.'.join(place)}")
            check_size(source, (name, "generator", "size"), generator.name, generator.size)


def check_extractors(source: Source, extractors: Mapping[str, Extractor]) -> None:
    """Every entry of weights that an extractor names is in the registry."""
    _check(
        source,
        (Reference((name, "weights"), "weights", e.weights, registered("weights")) for name, e in extractors.items()),
    )


def check_tables(source: Source, tables: Mapping[str, Table], methods: Mapping[str, Method]) -> None:
    """Every method that a table shows is declared, and what it says of methods is of those that it shows."""
    for name, table in tables.items():
        _check(source, (Reference((name, "methods", i), "method", m, methods) for i, m in enumerate(table.methods)))
        shown = dict.fromkeys(table.methods)
        _check(source, (Reference((name, "labels", m), "method of this table", m, shown) for m in table.labels))
        rest = enumerate(table.unranked)
        _check(source, (Reference((name, "unranked", i), "method of this table", m, shown) for i, m in rest))


def check_trained(
    source: Source, path: Path, preset: Preset, methods: Mapping[str, Method], tables: Mapping[str, Table]
) -> None:
    """The preset has the schedules of every method that it trains, and the tables' code of one's own is there."""
    shown = {name for table in preset.tables for name in tables[table].methods}
    shown |= {str(methods[name].init_from) for name in shown}
    for name, method in methods.items():
        if method.source != "trained" or (preset.only is not None and name not in preset.only):
            continue
        if method.schedule not in preset.schedules:
            hint = suggestion(method.schedule, preset.schedules)
            raise InputError(f"{path}: schedules: method '{name}' needs '{method.schedule}'{hint}")
        if method.needs_naturalness and "naturalness" not in preset.schedules:
            raise InputError(f"{path}: schedules: method '{name}' needs 'naturalness', to train its judge; add it")
        for reference in method.code if name in shown else ():
            try:
                source_file(reference)
            except InputError as error:
                raise InputError(f"{source.where((name,))}: {name}: {error}") from error


def _check(source: Source, references: Iterator[Reference]) -> None:
    for place, kind, name, entries in references:
        if name is not None:
            dotted = ".".join(map(str, place))
            find(kind, name, entries, f"{source.where(place)}: {dotted}")
