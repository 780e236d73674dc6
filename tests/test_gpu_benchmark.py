"""`benchmarks/gpu.sh` in small form on a CPU, with no other packages than a bare GPU machine has."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from spsr.config import CONFIGS

ROOT = CONFIGS.parent
BARE = {"torch", "torchgen", "functorch", "numpy", "scipy", "pydantic", "yaml", "_yaml", "safetensors", "PIL", "pillow"}
BARE |= {"pydantic_core", "annotated_types", "typing_extensions", "typing_inspection"}  # of pydantic
BARE |= {"sympy", "mpmath", "networkx", "jinja2", "markupsafe", "fsspec", "filelock"}  # of torch


def bare_python(folder: Path) -> dict[str, str]:
    """The environment of a Python that finds these packages and no others."""
    for entry in Path(torch.__file__).parents[1].iterdir():
        if entry.name.split(".")[0] in BARE:
            (folder / entry.name).symlink_to(entry)
    python = folder / "python"
    python.write_text(f'#!/bin/sh\nexec {sys.executable} -S "$@"\n')
    python.chmod(0o755)
    return os.environ | {"PYTHON": str(python), "PYTHONPATH": str(folder), "OMP_NUM_THREADS": "1"}


def measured(folder: Path, *arguments: str) -> dict[str, Any]:
    """The record of the benchmark, and what it printed."""
    command = ["benchmarks/gpu.sh", "--small", "--out", str(folder / "record.json"), *arguments]
    done = subprocess.run(command, cwd=ROOT, env=bare_python(folder), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads((folder / "record.json").read_text()) | {"printed": done.stdout}


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return measured(tmp_path_factory.mktemp("gpu"), "--seconds", "600")


def test_every_section_measures_with_what_a_bare_machine_has(record: dict[str, Any]) -> None:
    sections = record["sections"]
    errors = {name: section["error"] for name, section in sections.items() if "error" in section}
    assert errors.keys() == {"lpips"}
    assert "lpips" in errors["lpips"] or "torchvision" in errors["lpips"]
    assert all(section["rows"] for name, section in sections.items() if name != "lpips")
    assert {row["task"] for row in sections["steps"]["rows"] if row["ms"] > 0} == {"spsr_g", "nse_p_h"}
    assert [row["runs"] for row in sections["together"]["rows"]] == [1, 2]
    assert sections["against_plain"]["rows"][0]["ratio_to_stock"] > 0
    assert all(f"\n{name} (" in record["printed"] for name in sections)


def test_steps_taken_again_and_from_a_saved_state_give_the_same_bytes(record: dict[str, Any]) -> None:
    rows = record["sections"]["correctness"]["rows"]
    assert {row["what"]: row["equal"] for row in rows if row["task"] == "spsr_g"} == {
        "again": True,
        "graph": "there are no graphs on a CPU",
        "resumed": True,
    }


def test_a_step_has_its_place_below_the_roof(record: dict[str, Any]) -> None:
    for row in record["sections"]["steps"]["rows"]:
        assert row["tflops"] > 0
        assert row["share_of_product"] > 0
        assert row["operators"] > 100
    by_kind = {row["arithmetic"]: row for row in record["sections"]["steps"]["rows"] if row["task"] == "spsr_g"}
    assert by_kind["bf16 nhwc graph"]["bytes"] < by_kind["fp32"]["bytes"]


def test_a_section_that_takes_too_long_is_stopped_and_leaves_the_others_their_time(tmp_path: Path) -> None:
    sections = measured(tmp_path, "--seconds", "2", "--sections", "together", "ceilings")["sections"]
    assert "stopped after its" in sections["together"]["error"]
    assert sections["ceilings"]["rows"]
