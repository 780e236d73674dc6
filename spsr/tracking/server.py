"""MLflow's server over the local store of a preset."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException

from spsr.config import Config
from spsr.errors import InputError, RunFailed
from spsr.tracking.experiment import check_store, database, quiet_mlflow
from spsr.tracking.views import addresses

PORT = 5000
"""Where `spsr ui` serves unless told otherwise, so that the links of a report lead there."""

_PATIENCE = 60.0
"""Seconds in which a server that is to be used must answer."""


def _taken(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _answers(port: int) -> bool:
    with closing(HTTPConnection("127.0.0.1", port, timeout=_PATIENCE)) as probe:
        try:
            probe.request("GET", "/health")
            return probe.getresponse().status == HTTPStatus.OK
        except (OSError, HTTPException):
            return False


def serve(config: Config, port: int, say: Callable[[str], None]) -> None:
    """Run the server until it is interrupted or terminated; it never outlives this process's end by a signal.

    Args:
        say: told where to look, once the server answers: the address of all runs last, in a line of its own.

    Raises:
        InputError: nothing was imported yet, or the port is taken.
        RunFailed: the server ended by itself.
    """
    store = database(config)
    preset = os.path.relpath(config.path)
    if not store.is_file():
        raise InputError(f"{store}: no runs yet; run `spsr track --configfile {preset}` after a training")
    check_store(store)
    if _taken(port):
        raise InputError(f"--port {port}: something else answers there; choose another port")
    quiet_mlflow()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if number != signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:  # unless under nohup
            signal.signal(number, signal.default_int_handler)
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    command += ["--backend-store-uri", f"sqlite:///{store}"]
    command += ["--artifacts-destination", str(store.with_name("artifacts"))]
    command += ["--gunicorn-opts", "--config python:spsr.tracking.pages"]
    log = config.layout.logs / "ui.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w", encoding="utf-8") as messages:  # a session of its own: Ctrl-C is for this process alone
        server = subprocess.Popen(command, stdout=messages, stderr=messages, start_new_session=True)
    try:
        began = time.monotonic()
        while not _answers(port):
            if server.poll() is not None or time.monotonic() - began > _PATIENCE:
                raise RunFailed(f"the MLflow server did not start on port {port}; its messages are in {log}")
            time.sleep(0.2)
        _say_addresses(config, port, say)
        if (code := server.wait()) != 0:
            raise RunFailed(f"the MLflow server ended with code {code}; its messages are in {log}")
    except KeyboardInterrupt:
        say("stopped")
    finally:
        if server.poll() is None:
            os.killpg(server.pid, signal.SIGTERM)
            server.wait()


def _say_addresses(config: Config, port: int, say: Callable[[str], None]) -> None:
    *views, (_, all_runs) = addresses(config, port).items()
    say(f"MLflow over {os.path.relpath(database(config))}, until Ctrl-C. Runs of each table, and samples of all runs:")
    for view, address in views:
        say(f"  {view}: {address}")
    say("All runs:")
    say(all_runs)
