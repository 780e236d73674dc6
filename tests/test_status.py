"""`spsr status`: progress and time left of each training, from files that may be half written."""

import json
from pathlib import Path

import pytest
from pydantic import TypeAdapter
from synthetic import toy_config

from spsr.config import Config
from spsr.files import read_lines
from spsr.progress import duration
from spsr.results.status import read_progress, summary, whereabouts

NOW = 1_000_000.0
STEP = TypeAdapter(dict[str, int])


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Config:
    monkeypatch.chdir(tmp_path)
    return toy_config(tmp_path)


def write_run(config: Config, name: str, *, step: int, rates: list[float], age: float, starts: int = 1) -> Path:
    folder = config.layout.run(name, 0).path
    folder.mkdir(parents=True)
    (folder / "events.jsonl").write_text("".join(json.dumps({"step": s}) + "\n" for s in range(2, step + 1, 2)))
    lines: list[dict[str, float]] = [{"began_at_step": 0, "time": NOW - age}] * starts
    lines += [{"step": step, "time": NOW - age, "seconds": 1.0, "iterations_per_s": rate} for rate in rates]
    (folder / "ledger.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder


def test_time_left_is_steps_left_at_the_median_of_the_last_rates(config: Config):
    write_run(config, "spsr_g", step=10, rates=[100, 2, 2, 0.1, 2, 2], age=5)
    run = read_progress(config, "spsr_g", 0, NOW)
    assert (run.state, run.step, run.iterations, run.rate) == ("training", 10, 20, 2)
    assert run.seconds_left == pytest.approx(5)


def test_a_silent_training_is_stopped_and_one_without_files_waits(config: Config):
    write_run(config, "spsr_g", step=10, rates=[2], age=5000, starts=3)
    stopped, waiting = read_progress(config, "spsr_g", 0, NOW), read_progress(config, "esrgan", 0, NOW)
    assert (stopped.state, stopped.starts) == ("stopped", 3)
    assert (waiting.state, waiting.seconds_left) == ("waiting", None)
    assert summary([stopped, waiting]).startswith("0 of 2 trainings finished, 1 stopped, 1 waiting; 5 s left")


def test_a_finished_training_has_nothing_left(config: Config):
    folder = write_run(config, "spsr_g", step=20, rates=[2], age=5000)
    (folder / "model.safetensors").touch()
    run = read_progress(config, "spsr_g", 0, NOW)
    assert (run.state, run.step, run.seconds_left) == ("finished", 20, 0)


def test_a_half_written_line_is_left_out(config: Config):
    folder = write_run(config, "spsr_g", step=10, rates=[2], age=5)
    with (folder / "events.jsonl").open("a") as stream:
        stream.write('{"step": 1')
    assert read_progress(config, "spsr_g", 0, NOW).step == 10


def test_places_say_what_is_there(config: Config):
    config.layout.report.parent.mkdir(parents=True)
    config.layout.report.touch()
    there = {what: exists for what, _, exists in whereabouts(config)}
    assert there == {"0 of 7 tables": False, "figures": False, "report": True, "MLflow": False}


@pytest.mark.parametrize(
    ("seconds", "text"), [(45, "45 s"), (720, "12 min"), (30600, "8.5 h"), (3.2 * 86400, "3.2 days")]
)
def test_durations_are_short(seconds: float, text: str):
    assert duration(seconds) == text


def test_a_line_that_a_full_disk_cut_off_hides_no_other(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    path.write_text('{"step": 1}\n{"step": 2, "sec{"began_at_step": 1}\n7\n{"step": 2}\n{"st')
    assert read_lines(path, STEP) == [{"step": 1}, {"step": 2}]
    assert read_lines(tmp_path / "missing.jsonl", STEP) == []
