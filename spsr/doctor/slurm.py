"""Checks of a Slurm cluster: what `configs/site.yaml` names exists, and a node sees what this machine sees."""

import json
import re
import shlex
import shutil
import subprocess
import sys
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path

from spsr.cluster.accounting import controller_settings, has_accounting
from spsr.cluster.site import Site
from spsr.cluster.slot import minutes_left
from spsr.doctor.finding import Finding

SITE = "configs/site.yaml"
_PATIENCE_S = 120
_ON_NODE = """
import json, pathlib, socket, sys
import spsr, torch
seen = pathlib.Path(sys.argv[1]).is_file()
cuda = torch.cuda.get_device_name(0) if torch.cuda.is_available() else None
print(json.dumps({"node": socket.gethostname(), "seen": seen, "torch": torch.__version__, "cuda": cuda}))
"""


def check_slurm(site: Site, shared: Path) -> Iterator[Finding]:
    """Everything that the jobs need of the cluster.

    Args:
        site: the cluster.
        shared: a folder that jobs write to; it must be the same on every node.
    """
    lacking = [name for name in ("sinfo", "squeue", "sbatch", "srun", "scontrol") if shutil.which(name) is None]
    if lacking:
        yield Finding("Slurm", f"no {', '.join(lacking)} on PATH", "log in to a submitting node or load its module")
        return
    settings = controller_settings()
    if not settings:
        yield Finding("Slurm", "the controller does not answer", "try `scontrol ping`; ask the cluster's support")
        return
    yield Finding("Slurm", f"{settings.get('SLURM_VERSION', 'version unknown')} answers")
    partitions = _partitions()
    known = True
    for key, name in (("partition", site.partition), ("gpu_partition", site.gpu_partition or site.partition)):
        finding = _partition(key, name, partitions)
        known = known and not finding.remedy
        yield finding
    if not known:
        return
    gpu = _chosen(site.gpu_partition or site.partition, partitions)
    yield _gpus(site, gpu)
    if site.runs_per_gpu > 1:
        yield _shards(site, gpu)
    yield from _limits(site, gpu, settings)
    yield from _node(site, shared)


def _run(*command: str, timeout: float = 30) -> str:
    """Output of a command; empty if it fails."""
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return ""


def _partitions() -> dict[str, dict[str, str]]:
    """Fields of every partition by its name."""
    found = {}
    for line in _run("scontrol", "-o", "show", "partition").splitlines():
        fields = dict(field.split("=", 1) for field in line.split() if "=" in field)
        found[fields["PartitionName"]] = fields
    return found


def _chosen(name: str | None, partitions: dict[str, dict[str, str]]) -> str:
    default = (each for each, fields in partitions.items() if fields.get("Default") == "YES")
    return name or next(default, "")


def _partition(key: str, name: str | None, partitions: dict[str, dict[str, str]]) -> Finding:
    chosen = _chosen(name, partitions)
    if chosen in partitions:
        return Finding(key, chosen if name else f"{chosen}, the cluster's default")
    found = f"no '{chosen}'" if chosen else "none given, and the cluster has no default"
    return Finding(key, found, f"set `{key}` in {SITE} to one of {', '.join(partitions)}")


def _offered(resource: str, partition: str) -> dict[str, int]:
    """The most of a generic resource that a node of the partition has, by its type."""
    offers: dict[str, int] = {}
    for gres in _run("sinfo", "-h", "-p", partition, "-o", "%G").split():
        for kind, count in re.findall(rf"{resource}:(?:([A-Za-z0-9_.]+):)?(\d+)", gres):
            offers[kind] = max(offers.get(kind, 0), int(count))
    return offers


def _gpus(site: Site, partition: str) -> Finding:
    """Whether a node of the partition has enough GPUs of the wanted type."""
    offers = _offered("gpu", partition)
    listed = ", ".join(f"{count} x {kind or 'GPU'}" for kind, count in offers.items()) or "none"
    enough = {kind for kind, count in offers.items() if count >= site.gpus_per_run}
    if not enough:
        found = f"nodes of '{partition}' have {listed}; a training takes {site.gpus_per_run}"
        return Finding("GPUs", found, f"set `gpu_partition` or `gpus_per_run` in {SITE}")
    if site.gpu_type is not None and site.gpu_type not in enough:
        return Finding("GPUs", f"no '{site.gpu_type}' in '{partition}': {listed}", f"set `gpu_type` in {SITE}")
    return Finding("GPUs", f"nodes of '{partition}' have up to {listed}")


def _shards(site: Site, partition: str) -> Finding:
    """Whether the cluster divides its GPUs as the site says."""
    gpus, shards = (sum(_offered(resource, partition).values()) for resource in ("gpu", "shard"))
    if not shards:
        remedy = f"ask for `GresTypes=gpu,shard` (Slurm 22.05 or later), or set `runs_per_gpu: 1` in {SITE}"
        return Finding("shards", f"'{partition}' does not divide its GPUs", remedy)
    each, expected = shards // max(gpus, 1), site.shards_per_gpu or site.runs_per_gpu
    remedy = "" if each == expected else f"set `shards_per_gpu: {each}` in {SITE}"
    return Finding(
        "shards", f"'{partition}' makes {each} of a GPU, of which a training takes {site.shards_per_run}", remedy
    )


def _limits(site: Site, partition: str, settings: dict[str, str]) -> Iterator[Finding]:
    fields = _partitions()[partition]
    longest = minutes_left(fields.get("MaxTime", ""))
    if longest is not None and longest < site.slot_minutes:
        found = f"'{partition}' lets jobs run for {longest:.0f} minutes, {SITE} asks for {site.slot_minutes}"
        yield Finding("time limit", found, f"set `slot_minutes: {longest:.0f}` in {SITE}")
    else:
        yield Finding("time limit", f"{site.slot_minutes} minutes fit '{partition}'")
    mode = fields.get("PreemptMode", "OFF") if settings.get("PreemptType", "preempt/none") != "preempt/none" else "OFF"
    if mode == "CANCEL":
        remedy = (
            "the executor waits for ever for a preempted job: choose a partition that requeues, or is not preempted"
        )
        yield Finding("preemption", f"'{partition}' cancels preempted jobs", remedy, fatal=False)
    else:
        yield Finding("preemption", {"OFF": "none", "REQUEUE": "requeues"}.get(mode, mode.lower()))
    age = int((re.match(r"\d+", settings.get("MinJobAge", "")) or ["300"])[0])
    accounting = has_accounting(settings)
    if age < 60 and not accounting:
        remedy = "ask for MinJobAge of 300 or for sacct; finished jobs are forgotten before they are seen"
        yield Finding("job records", f"kept for {age} s, and there is no sacct", remedy)
    else:
        yield Finding("job records", f"kept for {age} s" + (", then in sacct" if accounting else "; no sacct"))


def _gpu_options(site: Site) -> list[str]:
    if site.gpu_request == "gres":
        return [f"--gres=gpu:{site.gpu_type}:1" if site.gpu_type else "--gres=gpu:1"]
    return [f"--gpus={site.gpu_type}:1" if site.gpu_type else "--gpus=1"]


def _node(site: Site, shared: Path) -> Iterator[Finding]:
    """Run a small job with a GPU: does it see this folder, this environment, and the GPU?"""
    shared.mkdir(parents=True, exist_ok=True)
    token = shared.resolve() / f".doctor.{uuid.uuid4().hex}"
    options = ["-n1", "--time=5", "--mem=4000", f"--immediate={_PATIENCE_S}", *_gpu_options(site)]
    for option, value in (
        ("--partition", site.gpu_partition or site.partition),
        ("--account", site.account),
        ("--qos", site.qos),
        ("--constraint", site.constraint),
    ):
        options += [f"{option}={value}"] if value else []
    token.touch()
    try:
        done = _srun(["srun", *options, sys.executable, "-c", _ON_NODE, str(token)])
    finally:
        token.unlink()
    text = done.stdout.strip().splitlines()
    if done.returncode or not text:
        reason = (done.stderr.strip().splitlines() or ["no answer"])[-1]
        command = shlex.join(["srun", *options, sys.executable, "-c", "import spsr, torch"])
        yield Finding("node", f"a small job did not run ({reason})", f"try `{command}`")
        return
    seen = json.loads(text[-1])
    yield Finding("node", f"{seen['node']} imports spsr and torch {seen['torch']}")
    remedy = "" if seen["seen"] else "work in a folder that all nodes share"
    yield Finding("shared files", f"the node sees {shared}" if seen["seen"] else f"it does not see {shared}", remedy)
    if seen["cuda"]:
        yield Finding("GPU on the node", seen["cuda"])
    else:
        remedy = (
            "trainings would run on CPUs; look at the driver with `srun ... nvidia-smi`, and which torch is installed"
        )
        yield Finding("GPU on the node", "torch sees none", remedy, fatal=False)


def _srun(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=_PATIENCE_S + 180, check=False)
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(command, 1, "", f"no node within {_PATIENCE_S + 180} s")
