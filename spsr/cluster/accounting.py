"""What a cluster's controller says of itself, and whether it keeps a record of what jobs used."""

import shutil
import subprocess
from collections.abc import Mapping


def controller_settings() -> dict[str, str]:
    """How the cluster is set up, by Slurm's names; empty where no Slurm answers."""
    asked = ["scontrol", "show", "config"]
    try:
        shown = subprocess.run(asked, capture_output=True, text=True, timeout=30, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return {}
    pairs = (line.split("=", 1) for line in shown.splitlines() if "=" in line)
    return {key.strip(): value.strip() for key, value in pairs}


def has_accounting(settings: Mapping[str, str]) -> bool:
    """Whether `sacct` has something to tell on a cluster with these `controller_settings`."""
    storage = settings.get("AccountingStorageType", "").removeprefix("accounting_storage/")
    return storage not in ("", "none") and shutil.which("sacct") is not None
