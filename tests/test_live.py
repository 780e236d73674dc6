"""Curves of a training under way reach an MLflow server, once, and never hold the training up."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from servers import free_port, mlflow_server, until
from synthetic import toy_config, write_run, write_scores

from spsr.cli.live import logged_live
from spsr.config import Config
from spsr.files import write_text
from spsr.tracking import experiment, live
from spsr.tracking import track as tracking

pytestmark = pytest.mark.xdist_group("mlflow server")
RUN = "spsr_g_wo_gb"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("server")
    with mlflow_server(folder, f"sqlite:///{folder}/mlflow.db") as address:
        yield address


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Config:
    """A preset of the test's own (an experiment of its own), with a training that has logged ten events."""
    monkeypatch.chdir(tmp_path)
    config = toy_config(tmp_path, preset=request.function.__name__[:40])
    write_run(config, RUN, 0)
    config.layout.run(RUN, 0).model.unlink()
    return config


def sender(config: Config, server: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "spsr.tracking.live", str(config.path), RUN, "0"]
    return subprocess.Popen(command, stdin=subprocess.PIPE, env={**os.environ, "MLFLOW_TRACKING_URI": server})


def end(process: subprocess.Popen[bytes]) -> None:
    assert process.stdin is not None
    process.stdin.close()
    assert process.wait(120) == 0


def steps(config: Config, server: str) -> list[int]:
    """Steps of the learning rate on the server, over all of the training's runs there."""
    from mlflow import MlflowClient

    client = MlflowClient(server)
    found = client.get_experiment_by_name(experiment.experiment_name(config))
    if found is None:
        return []
    runs = [run for run in client.search_runs([found.experiment_id]) if run.info.run_name == f"{RUN}-seed0"]
    return [point.step for run in runs for point in client.get_metric_history(run.info.run_id, "learning rate")]


def test_points_arrive_while_training_and_only_once_after_a_kill_and_an_import(
    toy: Config, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    events = toy.layout.run(RUN, 0).events
    lines = events.read_text(encoding="utf-8").splitlines(keepends=True)
    write_text(events, "".join(lines[:6]))
    first = sender(toy, server)
    until(lambda: steps(toy, server) == [0, 2, 4, 6, 8, 10], "the arrival of six events")
    end(first)
    write_text(events, "".join(lines[:8]))
    end(sender(toy, server))
    assert steps(toy, server) == [0, 2, 4, 6, 8, 10, 12, 14]
    write_run(toy, RUN, 0)
    write_scores(toy, methods=(RUN,))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server)
    assert tracking.track(toy).completed == [f"{RUN}-seed0"]
    assert steps(toy, server) == list(range(0, 20, 2))
    assert tracking.track(toy).unchanged == [f"{RUN}-seed0"]


def test_points_whose_arrival_was_never_heard_of_are_there_once(
    toy: Config, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server stores them late: after the sender gave up, and looked what is there before it sent them again."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server)
    monkeypatch.setattr(live, "_INTERVAL", 0.5)
    ended, lost = threading.Event(), []

    def complete(*arguments: Any) -> None:
        experiment.complete(*arguments)
        if not lost:
            lost.append(True)
            raise TimeoutError("no answer")
        ended.set()

    monkeypatch.setattr(live, "complete", complete)
    monkeypatch.setattr(live, "points_there", lambda client, known: {})
    live.follow(toy, RUN, 0, ended)
    assert steps(toy, server) == list(range(0, 20, 2))


def test_a_training_begun_anew_replaces_the_curves_of_the_other_one(toy: Config, server: str) -> None:
    end(sender(toy, server))
    events = toy.layout.run(RUN, 0).events
    write_text(events, '{"step": 2, "lr": 0.5, "losses": {}}\n')
    end(sender(toy, server))
    assert steps(toy, server) == [2]


def test_a_dead_server_is_noted_in_the_run_and_ends_nothing(toy: Config) -> None:
    end(sender(toy, f"http://127.0.0.1:{free_port()}"))
    assert "127.0.0.1" in toy.layout.run(RUN, 0).live_log.read_text(encoding="utf-8")


def test_the_training_starts_its_sender_at_the_first_event_and_goes_on(
    toy: Config, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server)
    seen: list[float] = []
    report = logged_live(toy, RUN, 0, lambda done, total, current: seen.append(done))
    assert steps(toy, server) == []
    report(1, 2, "")
    report(2, 2, "")
    assert seen == [1, 2]
    until(lambda: len(steps(toy, server)) == 10, "the arrival of ten events")


@pytest.mark.parametrize("uri", ["", "sqlite:///mlflow.db"])
def test_without_a_server_nothing_is_started(toy: Config, uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)

    def report(done: float, total: float, current: str) -> None:
        pass

    assert logged_live(toy, RUN, 0, report) is report
