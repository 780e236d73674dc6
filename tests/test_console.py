"""What a run of the workflow shows."""

import subprocess
import sys
from pathlib import Path

import pytest

_SNAKEFILE = """
from spsr.console import take_over

if workflow.is_main_process:
    take_over(logger, workflow.output_settings)

rule all:
    input: expand("{name}.{seed}.txt", name=["rrdb", "esrgan", "broken"], seed=[0, 1])

rule train:
    output: "{name}.{seed}.txt"
    log: "{name}.{seed}.log"
    shell: "echo 'error: methods.yaml:3: no such loss' > {log}; test {wildcards.name} != broken && echo x > {output}"
"""


@pytest.fixture
def run(tmp_path: Path):
    (tmp_path / "Snakefile").write_text(_SNAKEFILE)

    def run(*options: str) -> str:
        command = [sys.executable, "-m", "snakemake", "--cores", "2", *options]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False).stderr

    return run


def test_a_log_gets_one_line_a_finished_job_with_its_name_and_seed(run):
    lines = run("rrdb.0.txt", "esrgan.1.txt").splitlines()
    finished = [line.split(":")[0].split(" ", 1)[1] for line in lines if "train" in line]
    assert sorted(finished) == [
        "train esrgan seed 1",
        "train rrdb seed 0",
    ]
    assert len(lines) <= 6


def test_a_failed_job_shows_its_name_and_the_end_of_its_log(run):
    shown = run("--keep-going")
    assert "failed: train broken seed 1" in shown
    assert shown.count("error: methods.yaml:3: no such loss") == 2
    assert "CalledProcessError" not in shown


def test_a_dry_run_ends_in_a_table_of_the_jobs_and_why(run):
    shown = run("-n")
    row = next(line for line in shown.splitlines() if "train" in line)
    rule, jobs, why, names = (cell.strip() for cell in row.split("│")[1:5])
    assert (rule, jobs, why) == ("train", "6", "not there yet")
    assert sorted(names.split(", ")) == ["broken (2)", "esrgan (2)", "rrdb (2)"]
    assert max(map(len, shown.splitlines())) < 120


def test_snakemakes_own_output_is_there_for_who_asks(run):
    assert "Finished jobid" in run("--verbose", "rrdb.0.txt")
