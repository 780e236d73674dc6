"""The ledger: rates of what was computed, against what the device can really do."""

import json
from pathlib import Path

import pytest
import torch

from spsr.config import CONFIGS, load
from spsr.training.ledger import Ledger, measured_tflops
from spsr.training.step_cost import step_of, training_cost

CPU = torch.device("cpu")


def entries(file: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in file.read_text().splitlines()]


def test_a_step_of_the_warm_up_counts_for_what_it_computes() -> None:
    cost = training_cost(load(CONFIGS / "paper.yaml"), "spsr_g")
    assert cost.warmup_flops / cost.flops == pytest.approx(0.738, abs=0.0005)
    assert training_cost(load(), "srresnet").warmup_flops == step_of(load(), "srresnet").cost().flops


def test_operations_are_summed_over_the_steps_that_were_taken(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.jsonl", 2, CPU, peak=2e-9, measured=1e-9)
    ledger.begin(0, {})
    for flops in (100, 100, 1000):
        ledger.took_step(flops)
    ledger.read(3)
    begun, entry = entries(tmp_path / "ledger.jsonl")
    assert float(entry["tflops"]) * float(entry["seconds"]) * 1e12 == pytest.approx(1200)  # type: ignore[arg-type]
    assert entry["share_of_measured_peak"] == pytest.approx(2 * float(entry["share_of_peak"]))  # type: ignore[arg-type]
    assert (begun["peak_tflops"], begun["measured_peak_tflops"]) == (2e-9, 1e-9)


def test_the_time_of_a_checkpoint_is_in_no_rate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr("spsr.training.ledger.time.perf_counter", lambda: now[0])
    ledger = Ledger(tmp_path / "ledger.jsonl", 1, CPU)
    ledger.begin(0, {})
    now[0] = 5.0
    ledger.saved(1, 4.0)
    ledger.read(1)
    _, saved, entry = entries(tmp_path / "ledger.jsonl")
    assert (saved["checkpoint"], saved["seconds"]) == (True, 4.0)
    assert entry["iterations_per_s"] == 1.0


def test_the_measured_peak_is_that_of_the_arithmetic_that_is_asked_for() -> None:
    before = torch.backends.cuda.matmul.allow_tf32
    assert measured_tflops(CPU, "fp32", tf32=not before, side=64) > 0
    assert torch.backends.cuda.matmul.allow_tf32 == before
