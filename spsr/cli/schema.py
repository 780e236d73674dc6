"""`spsr schema`."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import BaseModel

from spsr.cluster.site import Site
from spsr.config.config import CONFIGS
from spsr.config.figure import FigureData
from spsr.config.method import Method
from spsr.config.preset import Preset
from spsr.config.settings import Extractor
from spsr.config.table import Table
from spsr.data.registry import Registry
from spsr.files import write_text
from spsr.reporting.report.claims import Claim

WHOLE: dict[str, type[BaseModel]] = {"preset": Preset, "site": Site, "registry": Registry}
"""Models of whole files, by the name of the schema."""

ENTRIES: dict[str, type[BaseModel]] = {
    "methods": Method,
    "extractors": Extractor,
    "tables": Table,
    "figures": FigureData,
    "claims": Claim,
}
"""Models of each entry of a file."""


def schema(
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder to write to.")] = CONFIGS / "schema",
) -> None:
    """Write the JSON schemas of the configuration files, by which editors complete and check them."""
    written = write_schemas(out)
    print(f"{len(written)} schemas in {out}")


def write_schemas(folder: Path) -> list[Path]:
    """Write `NAME.schema.json` for every kind of configuration file."""
    files = []
    for name, content in {name: schema_of(name) for name in (*WHOLE, *ENTRIES)}.items():
        files.append(folder / f"{name}.schema.json")
        write_text(files[-1], json.dumps(content, indent=1, ensure_ascii=False) + "\n")
    return files


def schema_of(name: str) -> dict[str, Any]:
    """The schema of one kind of file. A delta in `methods.yaml` may leave out what its parent has."""
    if name in WHOLE:
        return WHOLE[name].model_json_schema()
    entry = ENTRIES[name].model_json_schema()
    definitions = entry.pop("$defs", {})
    if name == "methods":
        entry.pop("required", None)
        for definition in definitions.values():
            definition.pop("required", None)
    return {"title": name, "type": "object", "additionalProperties": entry, "$defs": definitions}
