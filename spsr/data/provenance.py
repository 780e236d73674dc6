"""Where each fetched thing came from: a small JSON file beside it."""

import json
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, TypeAdapter

from spsr.config.layout import resources
from spsr.files import read_json, write_text


def _with_source(facts: dict[str, str]) -> dict[str, str]:
    if "source" not in facts:
        raise ValueError("says no source")
    return facts


_FACTS = TypeAdapter(Annotated[dict[str, str], AfterValidator(_with_source)])


def read_provenance(kind: str, name: str) -> dict[str, str]:
    """What `write_provenance` wrote of an entry of `weights` or `datasets`; {} without one, `InputError` if damaged."""
    file = _file(kind, name)
    return read_json(file, _FACTS, f"remove it, and run `spsr fetch {name}` again") if file.is_file() else {}


def write_provenance(kind: str, name: str, content: dict[str, str]) -> None:
    """Write `resources/KIND/NAME.json`, atomically; `content` has a `source`."""
    write_text(_file(kind, name), json.dumps(content, indent=2) + "\n")


def _file(kind: str, name: str) -> Path:
    return resources() / kind / f"{name}.json"
