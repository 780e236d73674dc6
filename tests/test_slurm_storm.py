"""A storm over a real Slurm: nothing is done twice, nothing is lost, and every byte is that of quiet trainings."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from slurm.cluster import missing

from spsr.config import CONFIGS

pytestmark = [
    pytest.mark.slow,
    pytest.mark.slurm,
    pytest.mark.skipif(missing() is not None, reason=f"no Slurm: {missing()}"),
    pytest.mark.xdist_group("slurm"),
]


def test_trainings_that_every_kind_of_fault_strikes_leave_the_bytes_of_quiet_ones(tmp_path: Path) -> None:
    script, record = CONFIGS.parent / "benchmarks" / "slurm_storm.py", tmp_path / "storm.json"
    command = [sys.executable, script, "--out", record, "--trainings", "3", "--minutes", "15"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(record.read_text(encoding="utf-8"))
    assert sum(found["faults"].values()) > 0
    assert (found["differed"], found["lost"], found["left"], found["twice"]) == ([], [], [], [])
