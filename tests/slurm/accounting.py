"""Slurm's accounting for a throw-away cluster: slurmdbd over a MariaDB that is reached by a socket in its folder alone.

It needs root and Debian's packages `slurmdbd mariadb-server`.
"""

import os
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

CLIENTS = ("sacct", "sacctmgr")
_PROGRAMS = ("slurmdbd", "mariadbd", "mariadb-install-db", *CLIENTS)
_PATIENCE_S = 60

_SLURMDBD_CONF = """
AuthType=auth/none
DbdHost=localhost
DbdAddr=127.0.0.1
DbdPort={port}
SlurmUser=root
PidFile={folder}/run/slurmdbd.pid
LogFile={folder}/log/slurmdbd.log
StorageType=accounting_storage/mysql
StorageHost=localhost
StorageUser=root
"""

_SLURM_CONF = """
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=127.0.0.1
AccountingStoragePort={port}
AccountingStoreFlags=job_comment
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=1
"""

NONE = """
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
"""
"""Lines of `slurm.conf` of a cluster without accounting."""


def missing() -> str | None:
    """Why there can be no accounting here; none if there can."""
    lacking = [name for name in _PROGRAMS if shutil.which(name) is None]
    return f"not installed: {', '.join(lacking)} (apt-get install slurmdbd mariadb-server)" if lacking else None


def configure(folder: Path, port: int) -> str:
    """Write the configuration of slurmdbd at a port; the lines of `slurm.conf` that lead to it."""
    conf = folder / "slurmdbd.conf"
    conf.write_text(_SLURMDBD_CONF.format(folder=folder, port=port))
    conf.chmod(0o600)
    return _SLURM_CONF.format(port=port)


def start(folder: Path) -> None:
    """Start both daemons; their process numbers are in `run` of the folder."""
    data, socket = folder / "mariadb", folder / "run" / "mariadb.sock"
    made = ["mariadb-install-db", "--no-defaults", "--user=root", f"--datadir={data}", "--skip-test-db"]
    subprocess.run(made, check=True, capture_output=True)
    server = ["mariadbd", "--no-defaults", "--user=root", f"--datadir={data}", "--skip-networking"]
    server += [f"--socket={socket}", f"--pid-file={folder}/run/mariadbd.pid"]
    with (folder / "log" / "mariadbd.log").open("w") as log:
        subprocess.run(["setsid", "--fork", *server], check=True, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    _until(socket.exists, f"MariaDB did not start; see {folder / 'log'}")
    variables = {key: value for key, value in os.environ.items() if not key.startswith("SLURM")}
    variables |= {"SLURM_CONF": str(folder / "slurm.conf"), "MYSQL_UNIX_PORT": str(socket)}
    subprocess.run(["slurmdbd"], env=variables, check=True, stdin=subprocess.DEVNULL, capture_output=True)
    log_of_slurmdbd = folder / "log" / "slurmdbd.log"
    _until(lambda: " started" in log_of_slurmdbd.read_text(), f"slurmdbd did not start; see {log_of_slurmdbd}")


def _until(condition: Callable[[], bool], otherwise: str) -> None:
    deadline = time.monotonic() + _PATIENCE_S
    while not condition():
        if time.monotonic() > deadline:
            raise RuntimeError(otherwise)
        time.sleep(0.3)
