"""Servers on this machine's loopback for tests and measurements: PostgreSQL and MLflow, ended with their block."""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from spsr.tracking.experiment import quiet_mlflow

_PATIENCE = 90.0
"""Seconds in which a server must answer."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def until(condition: Callable[[], object], what: str) -> None:
    limit = time.monotonic() + _PATIENCE
    while not condition():
        assert time.monotonic() < limit, f"{what} did not happen in {_PATIENCE:.0f} s"
        time.sleep(0.2)


def postgres_programs() -> Path | None:
    """The folder of `initdb` and `postgres`, which Debian keeps off the path; none if they are not installed."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    return found[-1].parent if found else None


@contextmanager
def postgres(programs: Path) -> Iterator[str]:
    """The address of an empty PostgreSQL store. It refuses to run as root, who takes the package's own user for it."""
    owner = "postgres" if os.getuid() == 0 else pwd.getpwuid(os.getuid()).pw_name
    port = free_port()
    with tempfile.TemporaryDirectory() as place:
        shutil.chown(place, owner)
        data, me = f"{place}/data", owner if os.getuid() == 0 else None
        made = [programs / "initdb", "-D", data, "-U", "spsr", "-A", "trust", "--encoding=UTF8"]
        subprocess.run(made, user=me, cwd=place, check=True, capture_output=True)
        command = [programs / "postgres", "-D", data, "-k", place, "-h", "127.0.0.1", "-p", str(port)]
        with Path(place, "log").open("w") as log:
            server = subprocess.Popen(command, user=me, cwd=place, stdout=log, stderr=log)
        try:
            until(lambda: answers(port), "the start of PostgreSQL")
            yield f"postgresql://spsr@127.0.0.1:{port}/postgres"
        finally:
            server.send_signal(signal.SIGINT)
            server.wait(60)


def start_mlflow(folder: Path, store: str, port: int) -> subprocess.Popen[bytes]:
    """A server of MLflow at `port`, in a session of its own, that answers.

    Args:
        folder: of its artefacts and its log.
        store: the address of its database.
    """
    quiet_mlflow()
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    command += ["--backend-store-uri", store, "--artifacts-destination", str(folder / "artifacts")]
    with (folder / "log").open("a") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
    until(lambda: answers(port), "the start of MLflow's server")
    return server


@contextmanager
def mlflow_server(folder: Path, store: str) -> Iterator[str]:
    """The address of a server of MLflow over a database."""
    port = free_port()
    server = start_mlflow(folder, store, port)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait()
