"""Where each fetched thing came from: a small JSON file beside it."""

import json
from pathlib import Path

from spsr.config.layout import resources
from spsr.files import write_text


def read_provenance(kind: str, name: str) -> dict[str, str]:
    """What `write_provenance` wrote of the entry `name` of `weights` or `datasets`; {} if it was never fetched."""
    file = _file(kind, name)
    return dict(json.loads(file.read_text(encoding="utf-8"))) if file.is_file() else {}


def write_provenance(kind: str, name: str, content: dict[str, str]) -> None:
    """Write `resources/KIND/NAME.json`, atomically."""
    write_text(_file(kind, name), json.dumps(content, indent=2) + "\n")


def _file(kind: str, name: str) -> Path:
    return resources() / kind / f"{name}.json"
