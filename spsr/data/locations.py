"""Where downloads are kept and where the registries are read from."""

import os
from pathlib import Path


def repository_root() -> Path:
    """The nearest folder upwards from the current one that holds the registries, else the package's checkout."""
    for folder in (Path.cwd(), *Path.cwd().parents):
        if (folder / "configs" / "weights.yaml").is_file():
            return folder
    return Path(__file__).resolve().parents[2]


def resources_dir() -> Path:
    """The folder of everything that is downloaded: `SPSR_RESOURCES`, else `resources/` in the repository."""
    named = os.environ.get("SPSR_RESOURCES")
    return Path(named).expanduser() if named else repository_root() / "resources"
