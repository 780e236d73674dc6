"""Reading and checking a preset file with all that it is about."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from spsr.config.config import CONFIGS, Config
from spsr.config.inheritance import read_methods
from spsr.config.method import Method
from spsr.config.patches import check_patches
from spsr.config.preset import Preset
from spsr.config.references import check_extractors, check_methods, check_preset, check_tables, check_trained
from spsr.config.settings import Extractor
from spsr.config.strict import validate, validate_all
from spsr.config.table import Table
from spsr.config.trial import override, trial_of
from spsr.config.yaml_source import Source

DEFAULT_PRESET = CONFIGS / "quick.yaml"


def _beside(path: Path, name: str) -> Path:
    return path.parent / name if (path.parent / name).is_file() else CONFIGS / name


def load(path: Path | str | None = None, changes: Sequence[str] = ()) -> Config:
    """The configuration of a preset file; the quick preset if none is named.

    Args:
        path: the file.
        changes: `key.key=value` of the preset that are others than in its file.

    `methods.yaml`, `extractors.yaml` and `tables.yaml` are taken from the preset's own folder where they exist
    there, else from the repository's `configs/`. Anything wrong is an `InputError` with file, line and remedy.
    """
    source = Source(Path(path) if path is not None else DEFAULT_PRESET)
    config = _read(source)
    if not changes:
        return config
    override(source, changes)
    changed = _read(source)
    return replace(changed, changes=tuple(changes), trial=trial_of(config, changed))


def _read(source: Source) -> Config:
    path = source.path
    preset = validate(Preset, source.data, source)
    methods_source = Source(_beside(path, "methods.yaml"))
    extractors_source = Source(_beside(path, "extractors.yaml"))
    tables_source = Source(_beside(path, "tables.yaml"))
    methods = read_methods(methods_source)
    extractors = validate_all(Extractor, extractors_source)
    tables = validate_all(Table, tables_source)
    check_preset(source, preset, methods, extractors, tables)
    check_methods(methods_source, methods, extractors)
    for name in preset.schedules.keys() & methods.keys():
        methods[name] = methods[name].model_copy(update={"schedule": name})
    check_extractors(extractors_source, extractors)
    for name, weights in preset.released.items():
        update = {"source": "released", "weights": weights, "init_from": None}
        methods[name] = methods[name].model_copy(update=update)
    for name, foreign in preset.results.items():
        methods[name] = Method(
            title=foreign.name,
            source="foreign",
            images=foreign.from_images,
            checkpoint=foreign.from_checkpoint,
        )
        for key in foreign.tables:
            tables[key] = tables[key].model_copy(update={"methods": (*tables[key].methods, name)})
    check_tables(tables_source, tables, methods)
    check_trained(methods_source, path, preset, methods, tables)
    config = Config(path, preset, methods, extractors, tables)
    check_patches(source, config)
    return config
