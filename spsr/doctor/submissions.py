"""Whether Slurm would take every job: each distinct request of a preset is tried with `sbatch --test-only`.

A single submission that is refused stops Snakemake, with jobs left running.
"""

import json
import shlex
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from spsr.cluster.accounting import controller_settings
from spsr.config import Config
from spsr.doctor.finding import Finding
from spsr.doctor.slurm import SITE

_REMEDIES = {
    "partition": "set `partition` or `gpu_partition`",
    "time limit": "set `slot_minutes` to what the partition allows",
    "account": "set `account`",
    "qos": "set `qos`",
    "feature": "set `constraint`",
    "node configuration": "no node has that much: set `host_memory_mb`, `gpus_per_run`, `gpu_type` or a partition",
}
"""What to do, by a word of Slurm's."""

_PASSING = ("busy", "down")
"""Words of reasons that are gone later."""


def check_submissions(config: Config) -> Iterator[Finding]:
    """A line for each request that Slurm refuses, or one for all; nothing where no Slurm answers."""
    if not controller_settings():
        return
    if not Path("Snakefile").is_file():
        yield Finding("requests", "no Snakefile here", "run it in the repository's root to try them", fatal=False)
        return
    made = _done([sys.executable, "-m", "spsr.doctor.requests", str(config.path)])
    if made.returncode:
        reason = (made.stderr.strip().splitlines() or ["no answer"])[-1]
        dry = f"snakemake --profile slurm -n all --configfile={config.path}"
        yield Finding("requests", f"the graph cannot be made ({reason})", f"try `{dry}`")
        return
    requests: dict[str, list[str]] = json.loads(made.stdout.splitlines()[-1])
    refused = [finding for finding in map(_tried, requests, requests.values()) if finding is not None]
    jobs = sum(map(len, requests.values()))
    yield from refused
    if not refused:
        yield Finding("requests", f"Slurm takes all {len(requests)} kinds of submission of {jobs} jobs")


def _tried(options: str, rules: Sequence[str]) -> Finding | None:
    """What is wrong with a request; none if Slurm would take it."""
    command = ["sbatch", "--test-only", *shlex.split(options), "--wrap", "true"]
    answer = _done(command)
    if answer.returncode == 0:
        return None
    said = (answer.stderr.strip().splitlines() or ["no answer"])[-1].removeprefix("allocation failure: ")
    remedy = next((f"{text} in {SITE}" for word, text in _REMEDIES.items() if word in said.lower()), "")
    jobs = ", ".join(f"{count} x {rule}" for rule, count in Counter(rules).items())
    fatal = not any(word in said.lower() for word in _PASSING)
    return Finding(f"request of {jobs}", f"{said} ({options})", remedy or f"try `{shlex.join(command)}`", fatal)


def _done(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False)
