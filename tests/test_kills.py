"""Jobs that are killed at a random moment and run again leave what undisturbed ones leave."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from spsr.config import CONFIGS

KINDS = ("evaluate", "fetch", "track", "table")
"""Trainings are killed in `test_resume.py` and preparations in `hostile/test_users_files.py`, which are quick."""


@pytest.mark.slow
def test_killed_jobs_leave_the_bytes_of_undisturbed_ones_and_nothing_else(tmp_path: Path) -> None:
    script, record = CONFIGS.parent / "benchmarks" / "kills.py", tmp_path / "kills.json"
    command = [sys.executable, script, "--out", record, "--kills", str(len(KINDS))]
    command += [word for kind in KINDS for word in ("--only", kind)]
    done = subprocess.run(command, env=os.environ | {"OMP_NUM_THREADS": "1"}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = json.loads(record.read_text(encoding="utf-8"))
    assert found["by_job"].keys() == {*KINDS}
    assert found["exit_codes"].keys().isdisjoint({"0", "1", "2"})
    assert found["differed"] == []
    assert found["processes_left"] == []
