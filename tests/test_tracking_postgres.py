"""An MLflow server over a real PostgreSQL: imports and trainings that log live at once, and each point once."""

import threading
from pathlib import Path

import pytest
from servers import mlflow_server, postgres, postgres_programs
from synthetic import toy_config, write_results, write_run, write_scores

from spsr.files import write_text
from spsr.tracking import live
from spsr.tracking import track as tracking
from spsr.tracking.experiment import all_runs

pytestmark = [
    pytest.mark.postgres,
    pytest.mark.skipif(postgres_programs() is None, reason="no PostgreSQL (apt-get install postgresql)"),
]

RUN, SEEDS = "spsr_g_wo_gb", range(8)


def test_eight_trainings_log_beside_an_import_into_postgresql_and_each_point_is_there_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs = postgres_programs()
    assert programs is not None
    monkeypatch.chdir(tmp_path)
    config = toy_config(tmp_path, preset="postgres", seeds=list(SEEDS))
    write_results(config, ("bicubic", "rrdb"))
    curves = {}
    for seed in SEEDS:
        write_run(config, RUN, seed)
        config.layout.model(RUN, seed).unlink()
        events = config.layout.run(RUN, seed).events
        curves[events] = events.read_text(encoding="utf-8")
        write_text(events, "".join(curves[events].splitlines(keepends=True)[:5]))
    monkeypatch.setattr(live, "_INTERVAL", 0.2)
    ended = threading.Event()
    senders = [threading.Thread(target=live.follow, args=(config, RUN, seed, ended)) for seed in SEEDS]
    with postgres(programs) as store, mlflow_server(tmp_path, store) as address:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
        for sender in senders:
            sender.start()
        assert sorted(tracking.track(config).new) == ["bicubic-seed0", "rrdb-seed0"]
        for events, text in curves.items():
            write_text(events, text)
        ended.set()
        for sender in senders:
            sender.join()
        for seed in SEEDS:
            config.layout.model(RUN, seed).write_bytes(b"made up")
        write_scores(config, methods=(RUN,))
        mine = sorted(f"{RUN}-seed{seed}" for seed in SEEDS)
        assert sorted(tracking.track(config).completed) == mine
        assert len(tracking.track(config).unchanged) == 2 + len(mine)

        from mlflow import MlflowClient

        client = MlflowClient(address)
        found = client.get_experiment_by_name("spsr-postgres")
        runs = {run.info.run_name: run for run in all_runs(client, found.experiment_id)}
        assert len(runs) == 2 + len(mine)
        for name in mine:
            points = client.get_metric_history(runs[name].info.run_id, "learning rate")
            assert sorted(point.step for point in points) == list(range(0, 20, 2))
