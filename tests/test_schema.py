"""The JSON schemas of the configuration are those of its models, and its files keep to them."""

from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from spsr.cli.schema import ENTRIES, WHOLE, schema_of, write_schemas
from spsr.config import CONFIGS
from spsr.config.yaml_source import Source

PRESETS = ("quick", "short", "paper", "released", "extractors_short")
KINDS = dict.fromkeys(PRESETS, "preset") | {"weights": "registry", "datasets": "registry"}


def test_the_committed_schemas_are_current(tmp_path: Path) -> None:
    for file in write_schemas(tmp_path):
        committed = CONFIGS / "schema" / file.name
        assert committed.read_text(encoding="utf-8") == file.read_text(encoding="utf-8"), "run `spsr schema`"
    assert {file.name for file in (CONFIGS / "schema").iterdir()} == {f"{n}.schema.json" for n in (*WHOLE, *ENTRIES)}


@pytest.mark.parametrize("file", sorted(CONFIGS.glob("*.yaml")), ids=lambda file: file.stem)
def test_every_configuration_file_keeps_to_its_schema(file: Path) -> None:
    kind = KINDS.get(file.stem, file.stem)
    errors = [error.message for error in Draft202012Validator(schema_of(kind)).iter_errors(Source(file).data)]
    assert not errors
    if file.stem not in ("quick", "short"):
        assert file.read_text(encoding="utf-8").startswith(f"# yaml-language-server: $schema=schema/{kind}.schema.json")


@pytest.mark.parametrize(
    ("kind", "wrong"),
    [
        ("preset", {"preset": "x", "recipe": "offical", "data": {"train": {"folder": "x"}, "benchmarks": {}}}),
        ("methods", {"esrgan": {"loses": {}}}),
        ("tables", {"table1": {"title": "x"}}),
        ("site", {"partitoin": "x"}),
    ],
)
def test_what_the_models_refuse_the_schemas_refuse(kind: str, wrong: dict[str, object]) -> None:
    assert not Draft202012Validator(schema_of(kind)).is_valid(wrong)
