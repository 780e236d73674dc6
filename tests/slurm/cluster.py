"""A throw-away Slurm on this machine: two GPU nodes and a CPU node, without munge and systemd.

It needs root and Debian's packages `slurmctld slurmd slurm-client`. Every daemon and state file lies in one folder.
The GPUs are character devices that do nothing.

    cd tests; python -m slurm.cluster FOLDER         start; prints the folder to put first on PATH
    cd tests; python -m slurm.cluster FOLDER stop
"""

import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path

from slurm import accounting

GPU_NODES = {"g1": "a100", "g2": "h100"}
CPU_NODES = ("c1",)
SHARDS_PER_GPU = 2
_CLIENTS = ("srun", "sbatch", "squeue", "scontrol", "scancel", "sinfo")

_SLURM_CONF = """
ClusterName=throwaway
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}
SlurmUser=root
SlurmdUser=root
AuthType=auth/none
AuthInfo=cred_expire=5
CredType=cred/none
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool/%n
SlurmctldPidFile={folder}/run/slurmctld.pid
SlurmdPidFile={folder}/run/slurmd-%n.pid
SlurmctldLogFile={folder}/log/slurmctld.log
SlurmdLogFile={folder}/log/slurmd-%n.log
JobCompType=jobcomp/filetxt
JobCompLoc={folder}/log/jobs.txt
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
SchedulerParameters=batch_sched_delay=0,sched_interval=2,bf_interval=2,sched_min_interval=0
SlurmdParameters=config_overrides
PropagateResourceLimits=NONE
ReturnToService=2
MinJobAge=900
EnforcePartLimits=ALL
KillWait=10
SlurmdTimeout=20
GresTypes=gpu,shard
"""


def missing() -> str | None:
    """Why a Slurm cannot be started here; none if it can."""
    if os.geteuid() != 0:
        return "starting Slurm's daemons needs root"
    lacking = [name for name in ("slurmctld", "slurmd", *_CLIENTS) if shutil.which(name) is None]
    return f"not installed: {', '.join(lacking)} (apt-get install slurmctld slurmd slurm-client)" if lacking else None


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()


class Cluster:
    """The cluster of one folder.

    Args:
        folder: for configuration, state and logs; made if it is missing.
        accounted: with a record of what jobs used, see `accounting`.
    """

    def __init__(self, folder: Path, accounted: bool = False) -> None:
        self.folder = folder.resolve()
        self.accounted = accounted
        self.conf = self.folder / "slurm.conf"
        self.bin = self.folder / "bin"

    @property
    def environment(self) -> dict[str, str]:
        """Variables for programs that use this cluster."""
        return {"PATH": f"{self.bin}:{os.environ['PATH']}", "SLURM_CONF": str(self.conf)}

    def start(self) -> None:
        """Write the configuration, start the daemons, and wait until all nodes are idle."""
        for name in ("state", "log", "run", "bin", "dev", *(f"spool/{node}" for node in (*GPU_NODES, *CPU_NODES))):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        self._configure()
        self._write_clients()
        if self.accounted:
            accounting.start(self.folder)
            self.call("sacctmgr", "-i", "add", "cluster", "throwaway")
        self._daemon("slurmctld")
        for node in (*GPU_NODES, *CPU_NODES):
            self.start_node(node)
        deadline = time.monotonic() + 60
        while (states := self.node_states()) != ["idle"] * len(states) or not states:
            if time.monotonic() > deadline:
                raise RuntimeError(f"Slurm did not come up: {states}; see {self.folder / 'log'}")
            time.sleep(0.3)

    def stop(self) -> None:
        """End every daemon and everything that jobs left behind."""
        self._kill(self.processes_of_jobs())
        pids = [int(file.read_text()) for file in (self.folder / "run").glob("*.pid") if file.read_text().strip()]
        self._kill(pids, signal.SIGTERM)
        deadline = time.monotonic() + 5
        while any(Path(f"/proc/{pid}").exists() for pid in pids) and time.monotonic() < deadline:
            time.sleep(0.1)
        self._kill([*pids, *self.processes_of_jobs()])

    def start_node(self, node: str) -> None:
        """Start the daemon of a node."""
        self._daemon("slurmd", "-N", node)

    def crash_node(self, node: str) -> None:
        """Let a node lose its power: its daemon and every process of its jobs vanish, and Slurm finds it down."""
        pid = int((self.folder / "run" / f"slurmd-{node}.pid").read_text())
        self._kill([pid, *self.processes_of_jobs(node)])
        self.call("scontrol", "update", f"NodeName={node}", "State=DOWN", "Reason=crash")
        self._kill(self.processes_of_jobs(node))

    def restart_controller(self, pause: float) -> None:
        """End the controller, and start it after so many seconds: it knows all jobs from its files."""
        pid = int((self.folder / "run" / "slurmctld.pid").read_text())
        self._kill([pid], signal.SIGTERM)
        while Path(f"/proc/{pid}").exists():
            time.sleep(0.1)
        time.sleep(pause)
        self._daemon("slurmctld")

    def call(self, *command: str) -> str:
        """The output of one of Slurm's commands."""
        done = subprocess.run(
            [str(self.bin / command[0]), *command[1:]], capture_output=True, text=True, timeout=30, check=False
        )
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()}")
        return done.stdout

    def node_states(self) -> list[str]:
        """`idle`, `alloc`, `down` ..., one a node; nothing while the controller does not answer."""
        try:
            return self.call("sinfo", "-h", "-N", "-p", "all", "-o", "%t").split()
        except (RuntimeError, subprocess.TimeoutExpired):
            return []

    def _configure(self) -> None:
        nodes = [*GPU_NODES, *CPU_NODES]
        host = socket.gethostname()
        controller, recorder, *ports = _free_ports(2 + len(nodes))
        lines = [_SLURM_CONF.format(host=host, port=controller, folder=self.folder)]
        lines.append(accounting.configure(self.folder, recorder) if self.accounted else accounting.NONE)
        gres = ["AutoDetect=off"]
        for node, port in zip(nodes, ports, strict=True):
            model = GPU_NODES.get(node)
            lines.append(
                f"NodeName={node} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} CPUs=16 RealMemory=64000"
                + (f" Gres=gpu:{model}:2,shard:{2 * SHARDS_PER_GPU}" if model else "")
            )
            if model:
                devices = [self.folder / "dev" / f"{node}-gpu{index}" for index in range(2)]
                for device in devices:
                    if not device.exists():
                        os.mknod(device, stat.S_IFCHR | 0o666, os.makedev(1, 3))
                gres += [f"NodeName={node} Name=gpu Type={model} File={device}" for device in devices]
                gres.append(f"NodeName={node} Name=shard Count={2 * SHARDS_PER_GPU}")
        gpu_nodes = ",".join(GPU_NODES)
        lines.append("PartitionName=DEFAULT MaxTime=INFINITE DefaultTime=5 DefMemPerCPU=500 State=UP")
        lines.append(f"PartitionName=cpu Nodes={','.join(CPU_NODES)} Default=YES")
        lines.append(f"PartitionName=gpu Nodes={gpu_nodes} PriorityTier=1 GraceTime=20")
        lines.append(f"PartitionName=urgent Nodes={gpu_nodes} PriorityTier=9")
        lines.append(f"PartitionName=all Nodes={','.join(nodes)}")
        self.conf.write_text("\n".join(lines) + "\n")
        (self.folder / "gres.conf").write_text("\n".join(gres) + "\n")
        (self.folder / "cgroup.conf").write_text("CgroupPlugin=cgroup/v1\nCgroupAutomount=no\n")

    def _write_clients(self) -> None:
        """Clients that know the configuration whatever environment they are started in."""
        for name in (*_CLIENTS, *(accounting.CLIENTS if self.accounted else ())):
            script = self.bin / name
            script.write_text(f'#!/bin/sh\nSLURM_CONF={self.conf} exec {shutil.which(name)} "$@"\n')
            script.chmod(0o755)

    def _daemon(self, *command: str) -> None:
        environment = {k: v for k, v in os.environ.items() if not k.startswith("SLURM")}
        subprocess.run(
            command,
            env=environment | {"SLURM_CONF": str(self.conf)},
            check=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def processes_of_jobs(self, node: str = "") -> list[int]:
        """Processes that this cluster's jobs started on `node` (on any, if none is given), and their supervisors."""
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            try:
                variables = (process / "environ").read_bytes().decode(errors="replace").split("\0")
                supervisor = (process / "comm").read_text().startswith("slurmstepd")
                files = [str(link.readlink()) for link in (process / "fd").iterdir()] if supervisor else []
            except OSError:
                continue
            of_job = f"SLURM_CONF={self.conf}" in variables and any(v.startswith("SLURM_JOB_ID=") for v in variables)
            on_node = not node or f"SLURMD_NODENAME={node}" in variables
            logs = f"{self.folder}/log/slurmd-{node}"
            if (of_job and on_node) or any(file.startswith(logs) for file in files):
                found.append(int(process.name))
        return found

    @staticmethod
    def _kill(pids: Iterable[int], number: int = signal.SIGKILL) -> None:
        for pid in pids:
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                continue


def main() -> None:
    """Start or stop the cluster of a folder."""
    cluster = Cluster(Path(sys.argv[1]))
    if "stop" in sys.argv[2:]:
        cluster.stop()
        return
    cluster.start()
    print(cluster.bin)


if __name__ == "__main__":
    if (reason := missing()) is not None:
        sys.exit(reason)
    main()
