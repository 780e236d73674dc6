"""Curves of a training under way, sent to an MLflow server: `python -m spsr.tracking.live CONFIGFILE NAME SEED`.

A process of its own, so that a slow or dead server costs the training nothing. What is sent is what `events.jsonl` says
and the server does not have yet: nothing is doubled after an interruption, and what did not arrive comes with the
import (`spsr track`). Problems stand in `live.log` of the run. It ends when its standard input does.
"""

import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from spsr.config import Config, load
from spsr.config.run_folder import RunFolder
from spsr.files import alone
from spsr.results.curves import Points, curves, thinned
from spsr.results.runs import Run
from spsr.tracking.content import CONTENT_TAG, modified_of, tags_of
from spsr.tracking.experiment import all_runs, complete, experiment_id, points_there, quiet_mlflow

if TYPE_CHECKING:
    from mlflow.entities import Run as MlflowRun

_INTERVAL = 10.0
"""Seconds between two looks at `events.jsonl`."""

_ANSWER_WITHIN = 10
"""Seconds that a request may take."""


def follow(config: Config, name: str, seed: int, ended: threading.Event) -> None:
    """Send the new events of a run every ten seconds until `ended`, and then once more."""
    run = Run(config, name, seed)
    following: _Followed | None = None
    trouble = ""
    while True:
        last = ended.is_set()
        try:
            following = following or _Followed(config, run)
            following.send()
            found = ""
        except Exception as error:
            following, found = None, str(error).splitlines()[0][:300] if str(error) else type(error).__name__
        if found != trouble:
            _note(run.folder, found or "the server answers again")
            trouble = found
        if last:
            return
        ended.wait(_INTERVAL)


class _Followed:
    """A run on the server, and which of its points have arrived."""

    def __init__(self, config: Config, run: Run) -> None:
        from mlflow import MlflowClient

        self.run = run
        self.client = MlflowClient(os.environ["MLFLOW_TRACKING_URI"])
        self.experiment = experiment_id(self.client, config, local=False)
        self.known, self.there = self._earlier()

    def _earlier(self) -> "tuple[MlflowRun | None, set[tuple[str, int]]]":
        """The server's run of this training, if it has one; that of an earlier, different one gives way."""
        mine = self._points()
        for known in all_runs(self.client, self.experiment):
            if known.info.run_name != self.run.title:
                continue
            there = points_there(self.client, known)
            if CONTENT_TAG not in known.data.tags and all(
                at not in mine or mine[at][0] == value for at, value in there.items()
            ):
                return known, set(there)
            self.client.delete_run(known.info.run_id)
        return None, set()

    def _points(self) -> Points:
        """What was logged so far. A point has one time however often it is sent: the store takes it once."""
        events, ledger = self.run.folder.read_events(), self.run.folder.read_ledger()
        timed = {entry["step"] for entry in ledger if "time" in entry and "step" in entry}
        logged = [event for event in events if event["step"] in timed or not timed]
        return curves(logged, ledger, modified_of(self.run))

    def send(self) -> None:
        """Send what is not there yet."""
        new = {at: point for at, point in thinned(self._points()).items() if at not in self.there}
        if not new:
            return
        if self.known is None:
            tags = {"mlflow.runName": self.run.title, **tags_of(self.run, hashes=False)}
            began = min(when for _, when in new.values())
            self.known = self.client.create_run(self.experiment, start_time=began, run_name=self.run.title, tags=tags)
        complete(self.client, self.known, new, {}, {})
        self.there |= set(new)


def _main() -> None:
    quiet_mlflow()
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", str(_ANSWER_WITHIN))
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1):
        signal.signal(number, signal.SIG_IGN)
    config, name, seed = load(Path(sys.argv[1])), sys.argv[2], int(sys.argv[3])
    ended = threading.Event()

    def wait_for_the_training() -> None:
        sys.stdin.buffer.read()
        ended.set()

    threading.Thread(target=wait_for_the_training, daemon=True).start()
    with alone(config.layout.run(name, seed).live_lock):
        follow(config, name, seed, ended)


def _note(folder: RunFolder, text: str) -> None:
    with folder.live_log.open("a", encoding="utf-8") as log:
        log.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {os.environ['MLFLOW_TRACKING_URI']}: {text}\n")


if __name__ == "__main__":
    _main()
