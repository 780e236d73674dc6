"""A long training in short Slurm jobs: it ends itself before its job's limit, and the job queues itself again.

A job that requeues itself keeps its number, so whoever waits for it sees one job that is pending, running, pending ...
and in the end completed. Nothing counts these rounds. A job that is preempted with a grace time does the same. One that
is cancelled, fails or loses its node is not requeued here: that is Slurm's or the submitting program's business, and
the next attempt goes on from the checkpoint, too.
"""

import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType

from spsr.cluster.gpu_place import VISIBLE, take_place
from spsr.cluster.site import Site, load_site
from spsr.config.run_folder import RunFolder
from spsr.errors import InputError
from spsr.files import alone

STOPPED = 75
_SECONDS_UNTIL_REQUEUED = 300
_FORWARDED = (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT)

# torchrun does not pass on the exit code of its processes: they leave a file behind when they stopped early.
_RANK = f'"$@"; code=$?; if [ $code -eq {STOPPED} ]; then : > "$SPSR_STOPPED"; exit 0; fi; exit $code'


def run(folder: Path, command: Sequence[str]) -> int:
    """Run a training command inside its Slurm job; outside a job, become the command, on a GPU that has a place for it.

    The command gets `--max-minutes` from the time that the job has left. It is started through torchrun where the
    site gives a training several GPUs or nodes. If another process still trains in `folder` (a node that was given
    up but lives, a job of an earlier submission), it is waited for.

    Args:
        folder: of the run.
        command: the training command, with its arguments.

    Returns:
        The command's exit code: 75 if the training stopped early and the job could not be requeued.
    """
    job = os.environ.get("SLURM_JOB_ID")
    site = load_site()
    if job is None:
        gpu = take_place(site.runs_per_gpu)
        os.execvpe(command[0], list(command), os.environ | ({} if gpu is None else {VISIBLE: gpu}))
    left = minutes_left(_output("squeue", "-h", "-j", job, "-o", "%L")) or site.slot_minutes
    margin = site.margin_minutes if site.margin_minutes < left else left / 4
    deadline = time.monotonic() + 60 * (left - margin)
    signals = _Signals()
    if not _wait_for_lock(RunFolder(folder).lock, lambda: signals.terminated or time.monotonic() > deadline):
        return _go_on(job, signals)
    minutes = max((deadline - time.monotonic()) / 60, 0)
    gpu = os.environ.get(VISIBLE, "none")
    print(f"job {job}: {left:.4g} minutes left, training for {minutes:.4g}; GPU: {gpu}", flush=True)

    marker = folder.parent / f".{folder.name}.stopped"
    marker.unlink(missing_ok=True)
    command = [*command, f"--max-minutes={minutes:.3f}"]
    if site.distributed:
        command = distributed_command(site, job, command)
    code = signals.run(command, os.environ | {"SPSR_STOPPED": str(marker)})
    if marker.exists():
        marker.unlink()
        code = code or STOPPED
    return _go_on(job, signals) if code == STOPPED else code


def minutes_left(text: str) -> float | None:
    """Minutes of Slurm's `[days-][[hours:]minutes:]seconds`; none if there is no limit."""
    days, _, clock = text.strip().rpartition("-")
    try:
        seconds = sum(int(part) * 60**power for power, part in enumerate(reversed(clock.split(":"))))
        return (int(days or 0) * 86400 + seconds) / 60
    except ValueError:
        return None


def distributed_command(site: Site, job: str, command: Sequence[str]) -> list[str]:
    """The command as one process for each GPU of each node, started by torchrun."""
    torchrun = [sys.executable, "-m", "torch.distributed.run", f"--nproc-per-node={site.gpus_per_run}"]
    ranks = ["--no-python", "sh", "-c", _RANK, "rank", *command]
    if site.nodes == 1:
        return [*torchrun, "--standalone", *ranks]
    first = _output("scontrol", "show", "hostnames", _output("squeue", "-h", "-j", job, "-o", "%N").strip()).split()[0]
    address = _fields("node", first).get("NodeAddr", first)
    port = 20000 + int(job) % 20000
    torchrun += [f"--nnodes={site.nodes}", f"--master-addr={address}", f"--master-port={port}"]
    each_node = f"exec {shlex.join(torchrun)} --node-rank=$SLURM_NODEID {shlex.join(ranks)}"
    tasks = [f"--nodes={site.nodes}", f"--ntasks={site.nodes}", "--ntasks-per-node=1", "--kill-on-bad-exit=1"]
    tasks.append(f"--cpus-per-task={_fields('job', job).get('CPUs/Task', '1')}")
    return ["srun", *tasks, "sh", "-c", each_node]


class _Signals:
    """Passes signals on to the training, and notes whether the job is being ended."""

    def __init__(self) -> None:
        self.terminated = False
        self._process: subprocess.Popen[bytes] | None = None
        for number in _FORWARDED:
            signal.signal(number, self._note)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.terminated = self.terminated or number != signal.SIGUSR1
        if self._process is not None:
            self._process.send_signal(number)

    def run(self, command: Sequence[str], environment: dict[str, str]) -> int:
        """The exit code of `command`; 128 + N if signal N ended it."""
        self._process = subprocess.Popen(command, env=environment)
        if self.terminated:
            self._process.send_signal(signal.SIGTERM)
        code = self._process.wait()
        return code if code >= 0 else 128 - code


def _go_on(job: str, signals: _Signals) -> int:
    """Put the job back in the queue and wait for its end; one that was cancelled or is over its limit is left alone.

    A job that is preempted with a grace time still runs in Slurm's eyes. Ending would count as a failure.
    """
    if signals.terminated and _output("squeue", "-h", "-j", job, "-o", "%T").strip() != "RUNNING":
        return STOPPED
    try:
        subprocess.run(["scontrol", "requeue", job], capture_output=True, text=True, timeout=60, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        reason = getattr(error, "stderr", None) or error
        print(f"job {job}: cannot be requeued ({str(reason).strip()}); left to a retry", flush=True)
        return STOPPED
    print(f"job {job}: back in the queue", flush=True)
    patience = time.monotonic() + _SECONDS_UNTIL_REQUEUED
    while not signals.terminated and time.monotonic() < patience:
        time.sleep(0.5)
    return STOPPED


def _output(*command: str) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False).stdout
    except (OSError, subprocess.TimeoutExpired):
        return ""


def _fields(kind: str, name: str) -> dict[str, str]:
    """What Slurm shows of a job or node."""
    words = _output("scontrol", "show", kind, name).split()
    return dict(word.split("=", 1) for word in words if "=" in word)


def _wait_for_lock(lock: Path, give_up: Callable[[], bool]) -> bool:
    """Wait until no other process trains there; false if it is time to give up."""
    said = False
    while True:
        try:
            with alone(lock, refusal=f"{lock.parent}: another process trains here; waiting for it"):
                return True
        except InputError as waiting:
            if not said:
                print(waiting, flush=True)
                said = True
        if give_up():
            return False
        time.sleep(2)
