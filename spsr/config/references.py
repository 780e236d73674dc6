"""Names in the configuration that stand for something declared elsewhere: every "no such name" in one place."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from spsr.config.method import Method
from spsr.config.preset import Preset
from spsr.config.settings import Extractor
from spsr.config.strict import suggestion
from spsr.config.table import Table
from spsr.config.yaml_source import Place, Source
from spsr.errors import InputError
from spsr.plugins import source_file

Entry = TypeVar("Entry")


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


def check_preset(source: Source, preset: Preset, methods: Mapping[str, Method], tables: Mapping[str, Table]) -> None:
    """Every name in a preset file is one of its own, of a method or of a table.

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
            place = ("validation", "benchmark")
            yield Reference(place, "benchmark", preset.validation.benchmark, preset.data.benchmarks)
        for index, name in enumerate(preset.tables):
            yield Reference(("tables", index), "table", name, tables)
        for index, name in enumerate(preset.only or ()):
            yield Reference(("only", index), "method", name, rows)

    _check(source, references())
    for name in preset.results:
        if name in methods:
            raise InputError(f"{source.where(('results', name))}: there is a method '{name}'; choose another name")
    for name in preset.probability_maps:
        generator = methods[name].generator if name in methods else None
        if generator is None or generator.name != "sftgan":
            where = source.where(("probability_maps", name))
            raise InputError(f"{where}: '{name}' takes no probability maps; name a method with the generator sftgan")


def check_methods(source: Source, methods: Mapping[str, Method], extractors: Mapping[str, Extractor]) -> None:
    """Every method that one starts from and every extractor that one looks through is declared."""
    _check(source, (Reference((name, "init_from"), "method", m.init_from, methods) for name, m in methods.items()))
    _check(
        source, (Reference((name, "extractor"), "extractor", m.extractor, extractors) for name, m in methods.items())
    )


def check_tables(source: Source, tables: Mapping[str, Table], methods: Mapping[str, Method]) -> None:
    """Every method that a table shows is declared."""
    for name, table in tables.items():
        _check(source, (Reference((name, "methods", i), "method", m, methods) for i, m in enumerate(table.methods)))


def check_trained(source: Source, path: Path, preset: Preset, methods: Mapping[str, Method]) -> None:
    """The preset has the schedules of every method that it trains, and code of one's own is there."""
    for name, method in methods.items():
        if method.source != "trained" or (preset.only is not None and name not in preset.only):
            continue
        if method.schedule not in preset.schedules:
            hint = suggestion(method.schedule, preset.schedules)
            raise InputError(f"{path}: schedules: method '{name}' needs '{method.schedule}'{hint}")
        if method.needs_naturalness and "naturalness" not in preset.schedules:
            raise InputError(f"{path}: schedules: method '{name}' needs 'naturalness', to train its judge; add it")
        for reference in method.code:
            try:
                source_file(reference)
            except InputError as error:
                raise InputError(f"{source.where((name,))}: {name}: {error}") from error


def _check(source: Source, references: Iterator[Reference]) -> None:
    for place, kind, name, entries in references:
        if name is not None:
            dotted = ".".join(map(str, place))
            find(kind, name, entries, f"{source.where(place)}: {dotted}")
