"""Starts the process that sends the curves of a training to an MLflow server."""

import os
import subprocess
import sys

from spsr.config import Config
from spsr.progress import Progress


def has_server() -> bool:
    """Whether `MLFLOW_TRACKING_URI` names a server."""
    return os.environ.get("MLFLOW_TRACKING_URI", "").startswith(("http://", "https://"))


def logged_live(config: Config, name: str, seed: int, report: Progress) -> Progress:
    """`report`, which at its first call also starts the sender of the run's curves; unchanged without a server.

    The sender is told of this process's end, however that comes, by the end of its input. It is never waited for.
    """
    if not has_server() or os.environ.get("RANK", "0") != "0":
        return report
    senders: list[subprocess.Popen[bytes]] = []

    def reported(done: float, total: float, current: str) -> None:
        if not senders:
            command = [sys.executable, "-m", "spsr.tracking.live", str(config.path), name, str(seed)]
            nowhere = subprocess.DEVNULL
            sender = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=nowhere, stderr=nowhere, start_new_session=True
            )
            senders.append(sender)
        report(done, total, current)

    return reported
