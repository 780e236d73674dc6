"""`spsr status`: progress and time left of each training, from files that may be half written."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from pydantic import TypeAdapter
from synthetic import toy_config

from spsr.cli.status import status
from spsr.config import Config, load
from spsr.files import read_lines
from spsr.pipeline import Pipeline
from spsr.progress import duration
from spsr.results.status import read_all, read_status, summary, whereabouts

NOW = 1_000_000.0
STEP = TypeAdapter(dict[str, int])


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Config:
    monkeypatch.chdir(tmp_path)
    return toy_config(tmp_path)


def write_log(config: Config, name: str, text: str, *, age: float) -> Path:
    log = config.layout.logs / "train" / f"{name}.seed0.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text(text)
    os.utime(log, (NOW - age, NOW - age))
    return log


def event(step: int) -> str:
    return json.dumps({"step": step, "lr": 1e-4, "losses": {"pixel/image": 0.5, "generator": 2 / step}}) + "\n"


def write_run(config: Config, name: str, *, step: int, rates: list[float], age: float) -> Path:
    folder = config.layout.run(name, 0).path
    folder.mkdir(parents=True)
    (folder / "events.jsonl").write_text("".join(event(s) for s in range(2, step + 1, 2)))
    lines: list[dict[str, float]] = [{"began_at_step": 0, "time": NOW - age}]
    lines += [{"step": step, "time": NOW - age, "seconds": 1.0, "iterations_per_s": rate} for rate in rates]
    (folder / "ledger.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder


def test_time_left_is_steps_left_at_the_median_of_the_last_rates(config: Config):
    write_run(config, "spsr_g", step=10, rates=[100, 2, 2, 0.1, 2, 2], age=5)
    run = read_status(config, "spsr_g", 0, NOW)
    assert (run.state, run.step, run.iterations, run.rate, run.loss) == ("training", 10, 20, 2, 0.2)
    assert run.seconds_left == pytest.approx(5)


def test_a_silent_training_is_stopped_and_one_without_files_waits(config: Config):
    write_run(config, "spsr_g", step=10, rates=[2], age=5000)
    stopped, waiting = read_status(config, "spsr_g", 0, NOW), read_status(config, "esrgan", 0, NOW)
    assert stopped.state == "stopped"
    assert (waiting.state, waiting.seconds_left) == ("waiting", None)
    assert summary([stopped, waiting]).startswith("0 of 2 trainings finished, 1 stopped, 1 waiting; 5 s left")


def test_a_finished_training_has_nothing_left(config: Config):
    folder = write_run(config, "spsr_g", step=20, rates=[2], age=5000)
    (folder / "model.safetensors").touch()
    run = read_status(config, "spsr_g", 0, NOW)
    assert (run.state, run.step, run.seconds_left) == ("finished", 20, 0)


def test_a_half_written_line_is_left_out(config: Config):
    folder = write_run(config, "spsr_g", step=10, rates=[2], age=5)
    with (folder / "events.jsonl").open("a") as stream:
        stream.write('{"step": 1')
    assert read_status(config, "spsr_g", 0, NOW).step == 10


def test_a_training_whose_log_ends_in_an_error_has_failed_until_it_is_begun_again(config: Config):
    folder = write_run(config, "spsr_g", step=10, rates=[2], age=20)
    log = write_log(config, "spsr_g", "spsr_g: 10/20\nerror: step 11: a loss is not finite\n\n", age=10)
    failed = read_status(config, "spsr_g", 0, NOW)
    assert (failed.state, failed.step) == ("failed", 10)
    assert failed.said == f"{log}: error: step 11: a loss is not finite"
    with (folder / "ledger.jsonl").open("a") as stream:
        stream.write(json.dumps({"began_at_step": 10, "time": NOW - 5}) + "\n")
    assert read_status(config, "spsr_g", 0, NOW).state == "training"


@pytest.mark.parametrize(
    ("end", "state"),
    [
        ("error: methods.yaml:3: no such loss", "failed"),
        ("ValueError: a mistake of ours", "failed"),
        ("slurmstepd: error: *** JOB 7 ON n1 CANCELLED ***", "failed"),
        ("stopped: results/toy: stopped by SIGTERM; saved; the same command goes on", "stopped"),
        ("rrdb: 5/60 pixel/image 0.1", "waiting"),
    ],
)
def test_a_training_without_files_is_what_its_log_says(config: Config, end: str, state: str):
    write_log(config, "rrdb", f"begin\n{end}\n", age=5)
    assert read_status(config, "rrdb", 0, NOW).state == state


def test_a_finished_training_whose_scores_were_deleted_is_not_scored(config: Config):
    folder = write_run(config, "spsr_g", step=20, rates=[2], age=5000)
    (folder / "model.safetensors").touch()
    scores = config.layout.scores("spsr_g", 0, "Set5")
    status = read_status(config, "spsr_g", 0, NOW, scores=[scores])
    assert (status.state, status.seconds_left) == ("not scored", 0)
    assert "1 of 1 trainings finished, 1 not scored" in summary([status])
    scores.parent.mkdir(parents=True)
    scores.touch()
    assert read_status(config, "spsr_g", 0, NOW, scores=[scores]).state == "finished"


def test_trainings_by_hand_and_trials_are_shown_and_counted_apart(config: Config):
    for each in (config, load(config.path, ["schedules.gan.iterations=7"])):
        write_run(each, "spsr_g", step=6, rates=[2], age=0)
        folder = each.layout.run("spsr_g", 0).path
        folder.rename(folder.with_name("seed9"))
        settings = each.training_settings("spsr_g", 9).plain()
        (folder.with_name("seed9") / "run.yaml").write_text(
            json.dumps({"settings": settings, "inputs": {}, "versions": {}})
        )
    runs = read_all(Pipeline(config))
    trial, other = [run for run in runs if run.by_hand]
    assert (trial.name, trial.seed, trial.iterations, trial.trial[:12]) == ("spsr_g", 9, 7, "iterations=7")
    assert (other.name, other.seed, other.iterations, other.trial) == ("spsr_g", 9, 20, "")
    assert f"0 of {len(runs) - 2} trainings finished" in summary(runs)
    assert "2 more by hand" in summary(runs)


def test_an_extractor_with_random_weights_is_made_by_the_workflow_and_no_training(config: Config):
    write_run(config, "nse_random", step=0, rates=[], age=0)
    assert "nse_random" not in {run.name for run in read_all(Pipeline(config))}


def test_damaged_files_are_named_and_hide_nothing_else(
    config: Config, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    folder = write_run(config, "spsr_g", step=10, rates=[2], age=NOW - time.time())
    with (folder / "ledger.jsonl").open("a") as stream:
        stream.write("{torn\n" + json.dumps({"step": 10, "time": time.time()}) + "\n")
    (folder / "run.yaml").write_text("settings: [")
    write_log(config, "esrgan", "error: no memory left\n", age=0)
    monkeypatch.setenv("COLUMNS", "80")
    status(config.path)
    lines = capsys.readouterr().out.splitlines()
    table = lines[: lines.index("")]
    assert max(map(len, table)) <= 80
    assert {"spsr_g 0 training 10/20 0.2 2 5 s", "esrgan 0 failed 0/20"} <= {" ".join(line.split()) for line in table}
    said = "\n".join(lines)
    assert f"warning: {folder / 'ledger.jsonl'}:3: not JSON; the other lines are read" in said
    assert f"warning: {folder / 'run.yaml'}: is not the record" in said
    assert "failed: results/toy/logs/train/esrgan.seed0.log: error: no memory left" in said


def test_watching_ends_cleanly_with_ctrl_c_and_writes_plain_lines_without_a_terminal(config: Config):
    command = [sys.executable, "-m", "spsr", "status", "--watch", "--configfile", str(config.path)]
    watching = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert watching.stdout is not None
    assert "trainings finished" in watching.stdout.readline()
    watching.send_signal(signal.SIGINT)
    printed, errors = watching.communicate(timeout=60)
    assert (watching.returncode, errors) == (0, "")
    assert "\x1b" not in printed


def test_places_say_what_is_there(config: Config):
    config.layout.report.parent.mkdir(parents=True)
    config.layout.report.touch()
    there = {what: exists for what, _, exists in whereabouts(Pipeline(config))}
    runs = len(Pipeline(config).methods)
    assert there == {
        f"0 of {runs} scored": False,
        "0 of 7 tables": False,
        "figures": False,
        "report": True,
        "MLflow": False,
    }


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (0.3, "< 1 s"), (45, "45 s"), (720, "12 min"), (30600, "8.5 h"), (3.2 * 86400, "3.2 days")],
)
def test_durations_are_short(seconds: float, text: str):
    assert duration(seconds) == text


def test_a_line_that_a_full_disk_cut_off_hides_no_other(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    path.write_text('{"step": 1}\n{"step": 2, "sec{"began_at_step": 1}\n7\n{"step": 2}\n{"st')
    assert read_lines(path, STEP) == [{"step": 1}, {"step": 2}]
    assert read_lines(tmp_path / "missing.jsonl", STEP) == []
