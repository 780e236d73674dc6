"""What reaches MLflow while its server is unlucky: in the end, each point once."""

import itertools
import threading
from pathlib import Path

import pytest
from mlflow_storm import Unlucky, points_of
from servers import until
from synthetic import toy_config, write_run, write_scores

from spsr.cli.live import logged_live
from spsr.config import Config
from spsr.files import write_text
from spsr.tracking import live
from spsr.tracking import track as tracking
from spsr.tracking.experiment import experiment_name

RUN, SEEDS = "spsr_g_wo_gb", range(8)


def arrived(address: str, config: Config) -> list[int]:
    """How many events of each training are on the server; empty before there is anything."""
    from mlflow import MlflowClient

    if MlflowClient(address).get_experiment_by_name(experiment_name(config)) is None:
        return []
    counts = points_of(address, config).values()
    return [len({step for name, step in counted if name == "learning rate"}) for counted in counts]


def test_each_point_is_there_once_after_a_server_that_hangs_has_no_space_answers_500_and_dies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    config = toy_config(tmp_path, preset="storm", seeds=list(SEEDS))
    curves = {}
    for seed in SEEDS:
        write_run(config, RUN, seed)
        config.layout.model(RUN, seed).unlink()
        events = config.layout.run(RUN, seed).events
        curves[events] = events.read_text(encoding="utf-8").splitlines(keepends=True)

    def logged(lines: int) -> None:
        for events, text in curves.items():
            write_text(events, "".join(text[:lines]))

    def noted(message: str) -> bool:
        """Whether every sender has."""
        logs = [config.layout.run(RUN, seed).live_log for seed in SEEDS]
        return all(log.is_file() and message in log.read_text(encoding="utf-8") for log in logs)

    logged(2)
    server = Unlucky(tmp_path)
    try:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", server.address)
        monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "2")
        monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
        monkeypatch.setattr(live, "_INTERVAL", 0.2)
        ended = threading.Event()
        senders = [threading.Thread(target=live.follow, args=(config, RUN, seed, ended), daemon=True) for seed in SEEDS]
        for sender in senders:
            sender.start()
        faults = {
            server.hanging: "ReadTimeoutError",
            server.without_space: "503 error",
            server.dead_and_replaced: "500 error",
            server.dead: "NewConnectionError",
        }
        for lines, (fault, message) in zip(itertools.count(4, 2), faults.items(), strict=False):
            until(
                lambda so_far=lines - 2: arrived(server.address, config) == [so_far] * len(SEEDS),
                "the arrival of every point",
            )
            for seed in SEEDS:
                config.layout.run(RUN, seed).live_log.unlink(missing_ok=True)
            with fault():
                logged(lines)
                until(lambda message=message: noted(message), f"{message} at every sender")
        ended.set()
        for sender in senders:
            sender.join()
        for seed in SEEDS:
            config.layout.model(RUN, seed).write_bytes(b"made up")
        write_scores(config, methods=(RUN,))
        monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "60")
        tracking.track(config)
        points = points_of(server.address, config)
        assert sorted(points) == sorted(f"{RUN}-seed{seed}" for seed in SEEDS)
        for counted in points.values():
            assert set(counted.values()) == {1}
            assert {step for name, step in counted if name == "learning rate"} == set(range(0, 20, 2))
        assert len(tracking.track(config).unchanged) == len(SEEDS)
    finally:
        server.die()


def test_the_training_itself_speaks_to_no_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    config = toy_config(tmp_path)
    started: list[list[str]] = []
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setattr("socket.socket", None)
    monkeypatch.setattr("subprocess.Popen", lambda command, **_: started.append(command) or object())
    seen: list[float] = []
    report = logged_live(config, RUN, 0, lambda done, total, current: seen.append(done))
    for step in range(3):
        report(step, 3, "")
    assert seen == [0, 1, 2]
    assert [command[2] for command in started] == ["spsr.tracking.live"]
