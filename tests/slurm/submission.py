"""A checkout of this repository without results, and `snakemake --profile slurm` in it on the throw-away Slurm."""

import os
import re
import subprocess
import sys
from pathlib import Path

import yaml

from slurm.cluster import Cluster
from spsr.config import CONFIGS

ROOT = CONFIGS.parent
_SUBMITTED = re.compile(r"submitted with SLURM jobid (\d+) \(log: \S*/slurm_logs/(?:rule|group)_(\S+?)/+\d+\.log\)")


def checkout(folder: Path) -> Path:
    """A folder that looks like the repository's root and has no results."""
    folder.mkdir(parents=True)
    for name in ("Snakefile", "workflow", "slurm", "profiles", "configs", "envs"):
        (folder / name).symlink_to(ROOT / name)
    return folder


def environment(folder: Path) -> dict[str, str]:
    """Variables of a shell that knows nothing of a cluster, with the resources of `folder`."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("SLURM", "SPSR_", "SNAKEMAKE"))}
    path = f"{Path(sys.executable).parent}:{kept['PATH']}"
    return kept | {"PATH": path, "SPSR_RESOURCES": str(folder / "resources"), "OMP_NUM_THREADS": "1"}


def submit(cluster: Cluster, folder: Path, root: Path, log: Path, *arguments: str) -> subprocess.Popen[bytes]:
    """Start `snakemake --profile slurm` in the checkout `root`, with a proxy that refuses."""
    site = {"partition": "cpu", "gpu_partition": "gpu", "slot_minutes": 30, "host_memory_mb": 3000}
    (folder / "site.yaml").write_text(yaml.safe_dump(site))
    names = ("http_proxy", "https_proxy", "all_proxy", "HTTPS_PROXY", "HTTP_PROXY")
    variables = environment(folder) | dict.fromkeys(names, "http://127.0.0.1:9")
    variables |= {"SPSR_SITE": str(folder / "site.yaml"), "SLURM_CONF": str(cluster.conf)}
    variables |= {key: value for key, value in os.environ.items() if key.startswith("SPSR_SITE_")}
    variables["PATH"] = f"{cluster.bin}:{variables['PATH']}"
    command = [sys.executable, str(ROOT / "tests/slurm/polling.py"), "--profile", "slurm", *arguments]
    with log.open("w") as stream:
        return subprocess.Popen(command, cwd=root, env=variables, stdout=stream, stderr=stream)


def submitted(log: Path) -> list[tuple[str, str]]:
    """(Slurm's number, rule and wildcards) of every submission that a log of Snakemake tells of."""
    return _SUBMITTED.findall(log.read_text())


def states_of_jobs(cluster: Cluster) -> dict[str, list[str]]:
    """By number, the state in which each execution of a job ended."""
    states: dict[str, list[str]] = {}
    for number, state in re.findall(r"JobId=(\d+) .*?JobState=(\w+)", (cluster.folder / "log/jobs.txt").read_text()):
        states.setdefault(number, []).append(state)
    return states


def trainings_in(root: Path) -> dict[int, tuple[list[str], str]]:
    """By process, the arguments of each `spsr train` and `spsr pretrain` in the checkout `root`, and Slurm's number."""
    found = {}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().decode().split("\0")
            inside = (process / "cwd").readlink() == root
            variables = (process / "environ").read_bytes().decode(errors="replace").split("\0")
        except OSError:
            continue
        if inside and words[2:3] in (["train"], ["pretrain"]):
            job = next(
                (each.removeprefix("SLURM_JOB_ID=") for each in variables if each.startswith("SLURM_JOB_ID=")), ""
            )
            found[int(process.name)] = words[2:], job
    return found
