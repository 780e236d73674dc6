"""The plan: shared runs once, exact costs, and a schedule that keeps the order of the graph."""

import json
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from synthetic import toy_config

from spsr.cli.plan import plan
from spsr.config import CONFIGS, Config
from spsr.pipeline import Pipeline
from spsr.planning.gantt import draw_gantt
from spsr.planning.jobs import Job, ledger_rate, list_jobs, of_table
from spsr.planning.timeline import as_data, hours, schedule_jobs
from spsr.training.memory import counting_saved_tensors
from spsr.training.step_cost import step_flops


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Config:
    return toy_config(tmp_path_factory.mktemp("plan"), tables=["table4", "table5"], seeds=[4, 5], probe=None)


@pytest.fixture(scope="module")
def jobs(config: Config) -> list[Job]:
    pipeline = Pipeline(config)
    return list_jobs(config, pipeline.trained, pipeline.pretrained)


def named(jobs: list[Job], name: str) -> list[Job]:
    return [job for job in jobs if job.name == name]


def test_a_run_that_others_share_is_there_once_a_seed(jobs: list[Job]) -> None:
    assert len({job.key for job in jobs}) == len(jobs)
    assert [job.seed for job in named(jobs, "spsr_p")] == [4, 5]
    assert [job.seed for job in named(jobs, "rrdb")] == [4]
    assert [job.seed for job in named(jobs, "nse_p_h")] == [4]


def test_runs_know_what_they_need_and_which_tables_they_feed(jobs: list[Job]) -> None:
    spsr_p = named(jobs, "spsr_p_v")[1]
    assert spsr_p.needs == (("rrdb", 4), ("nse_p_v", 4))
    assert spsr_p.tables == ("table5",)
    assert named(jobs, "rrdb")[0].tables == ("table4", "table5")
    assert {job.name for job in of_table(jobs, "table5")} == {
        "rrdb", "nse_p_h", "nse_p_v", "nse_p_c", "spsr_p", "spsr_p_v", "spsr_p_c",
    }  # fmt: skip


def test_a_training_needs_no_extractor_that_no_term_of_it_looks_through(config: Config) -> None:
    jobs = list_jobs(config, ["rrdb", "spsr_p_wo_sl"], ["nse_p_h"])
    assert named(jobs, "spsr_p_wo_sl")[0].needs == (("rrdb", 4),)


def test_flops_are_those_of_the_counted_step(config: Config, jobs: list[Job]) -> None:
    schedule = config.schedule("gan")
    step = step_flops(config, "spsr_p") * schedule.batch
    assert named(jobs, "spsr_p")[0].flops == step * schedule.iterations


def test_saved_tensors_are_counted_once_and_released() -> None:
    with torch.device("meta"):
        layers = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3, padding=1), torch.nn.Tanh(), torch.nn.Conv2d(8, 8, 1))
        images = torch.empty(2, 3, 10, 10)
    with counting_saved_tensors() as saved:
        for _ in range(3):
            layers(images).sum().backward()
    # The images, and the output of tanh (kept by tanh and by the next convolution).
    assert saved.peak == 4 * (2 * 3 * 100 + 2 * 8 * 100)


@st.composite
def graphs(draw: st.DrawFn) -> list[Job]:
    jobs: list[Job] = []
    for number in range(draw(st.integers(1, 12))):
        needs = draw(st.sets(st.sampled_from([job.key for job in jobs]), max_size=2)) if jobs else set()
        flops = draw(st.integers(1, 50)) * 10**15
        jobs.append(Job(f"job{number}", 0, flops, 0, 0, 0, tuple(sorted(needs))))
    return jobs


@given(jobs=graphs(), devices=st.integers(1, 4))
@settings(max_examples=100, deadline=None)
def test_the_schedule_is_possible_and_no_shorter_than_its_bounds(jobs: list[Job], devices: int) -> None:
    timeline = schedule_jobs(jobs, devices, 100)
    ends = {placement.job.key: placement.end for placement in timeline.placements}
    assert ends.keys() == {job.key for job in jobs}
    for placement in timeline.placements:
        assert all(ends[need] <= placement.start + 1e-9 for need in placement.job.needs)
    for device in range(devices):
        mine = sorted((s.start, s.end) for s in timeline.placements if s.device == device)
        assert all(first[1] <= second[0] + 1e-9 for first, second in pairwise(mine))
    by_key = {job.key: job for job in jobs}
    path = sum(hours(by_key[key].flops, 100) for key in timeline.critical)
    work = sum(hours(job.flops, 100) for job in jobs)
    assert timeline.hours >= max(path, work / devices) - 1e-9
    assert timeline.hours <= path + work / devices + 1e-9
    if devices == 1:
        assert timeline.hours == pytest.approx(work)
    if devices >= len(jobs):
        assert timeline.hours == pytest.approx(path)


def test_a_paper_scale_run_takes_the_hours_of_its_flops() -> None:
    # 3.3 EFLOP at 100 TFLOP/s.
    assert hours(3.3e18, 100) == pytest.approx(9.17, abs=0.01)


def test_the_rate_comes_from_earlier_ledgers(
    config: Config, jobs: list[Job], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert ledger_rate(config, jobs) is None
    for name, rates in (("rrdb", [1.0, 2.0]), ("spsr_p", [3.0])):
        run = config.layout.run(name, 4).path
        run.mkdir(parents=True)
        lines = [{"began_at_step": 0}, *({"step": 5, "tflops": rate} for rate in rates)]
        (run / "ledger.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert ledger_rate(config, jobs) == 2.0


def test_a_ledger_whose_last_line_was_cut_off_still_gives_its_rates(
    config: Config, jobs: list[Job], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run = config.layout.run("rrdb", 4)
    run.path.mkdir(parents=True)
    run.ledger.write_text('{"step": 5, "tflops": 2.0}\n{"step": 10, "tfl')
    assert ledger_rate(config, jobs) == 2.0


def test_the_plan_is_plain_data_and_a_picture(jobs: list[Job], tmp_path: Path) -> None:
    timeline = schedule_jobs(jobs, 2, 1)
    data = json.loads(json.dumps(as_data(jobs, timeline, 2, 1)))
    assert data["device_hours"] == pytest.approx(sum(run["hours"] for run in data["runs"]))
    assert data["makespan_hours"] == pytest.approx(max(run["end"] for run in data["runs"]))
    assert data["critical_path"][0].split("/")[0] in ("rrdb", "nse_p_h", "nse_p_v", "nse_p_c")
    for name in ("plan.png", "plan.svg"):
        draw_gantt(timeline, tmp_path / name)
        assert (tmp_path / name).stat().st_size > 1000


def test_an_assumed_rate_is_that_of_the_presets_precision_and_names_the_cost_of_the_other(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    plan(CONFIGS / "paper.yaml")
    said = " ".join(capsys.readouterr().out.split())
    assert "at 200 TFLOP/s (assumed for bf16 on an H200; fp32: " in said
    fp32 = tmp_path / "fp32.yaml"
    fp32.write_text((CONFIGS / "paper.yaml").read_text().replace("precision: bf16", "precision: fp32"))
    plan(fp32)
    assert "at 75 TFLOP/s (assumed for fp32 on an H200; bf16: " in " ".join(capsys.readouterr().out.split())
