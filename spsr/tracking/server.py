"""MLflow's server over the local store of a preset."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable

from spsr.config import Config
from spsr.errors import InputError, RunFailed
from spsr.tracking.experiment import database, page, quiet_mlflow

_PATIENCE = 60.0
"""Seconds in which a server that is to be used must answer."""


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def serve(config: Config, port: int, say: Callable[[str], None]) -> None:
    """Run the server until it is interrupted or terminated; it never outlives this process's end by a signal.

    Args:
        say: told where to look, once the server answers.

    Raises:
        InputError: nothing was imported yet, or the port is taken.
        RunFailed: the server ended by itself.
    """
    store = database(config)
    preset = os.path.relpath(config.path)
    if not store.is_file():
        raise InputError(f"{store}: no runs yet; run `spsr track --configfile {preset}` after a training")
    if _answers(port):
        raise InputError(f"--port {port}: something else answers there; choose another port")
    quiet_mlflow()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    command += ["--backend-store-uri", f"sqlite:///{store}"]
    command += ["--artifacts-destination", str(store.with_name("artifacts"))]
    server = subprocess.Popen(command)
    try:
        began = time.monotonic()
        while not _answers(port):
            if server.poll() is not None or time.monotonic() - began > _PATIENCE:
                raise RunFailed(f"the MLflow server did not start on port {port}; its messages stand above")
            time.sleep(0.2)
        say(f"MLflow: {page(config, port)}  (Ctrl-C ends it)")
        if (code := server.wait()) != 0:
            raise RunFailed(f"the MLflow server ended with code {code}; its messages stand above")
    except KeyboardInterrupt:
        say("stopped")
    finally:
        if server.poll() is None:
            server.terminate()
            server.wait()
