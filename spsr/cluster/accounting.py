"""Whether a cluster keeps a record of what its jobs used."""

import re
import shutil
import subprocess


def has_accounting() -> bool:
    """Whether `sacct` has something to tell; False where there is no Slurm, or none that answers."""
    if shutil.which("sacct") is None or shutil.which("scontrol") is None:
        return False
    try:
        shown = subprocess.run(["scontrol", "show", "config"], capture_output=True, text=True, timeout=30, check=False)
    except subprocess.TimeoutExpired:
        return False
    return (
        re.search(r"^AccountingStorageType\s*=\s*accounting_storage/(?!none)", shown.stdout, re.MULTILINE) is not None
    )
