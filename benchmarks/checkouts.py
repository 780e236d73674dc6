"""`spsr` as a command, by this checkout or by another one."""

import os
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple


class Taken(NamedTuple):
    """What a command took: seconds by the clock, and of all processors."""

    wall: float
    processor: float


def spsr(checkout: Path, *arguments: str) -> Taken:
    """Run `spsr ARGUMENTS` by the package of a checkout, imports included."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    command = [sys.executable, "-P", "-m", "spsr", *arguments]
    subprocess.run(command, env=os.environ | {"PYTHONPATH": str(checkout)}, check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Taken(time.perf_counter() - began, processor)
