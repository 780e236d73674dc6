"""Validation while a method trains: a curve in the ledger that changes neither weights nor events."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from small_runs import INPUTS, run_task, small_task
from synthetic import PASSPORT, photograph, toy_config, write_images

from spsr.config import Config
from spsr.errors import InputError
from spsr.evaluation.upscale import upscale_image
from spsr.files import write_text
from spsr.images import degrade, write_png
from spsr.metrics import psnr
from spsr.results.curves import curves
from spsr.training.validation_set import ValidationSet, validation_of


def validation(folder: Path, every: int) -> ValidationSet:
    files = tuple((folder / f"lr{i}.png", folder / f"hr{i}.png") for i in range(2))
    for i, (lr, hr) in enumerate(files):
        write_png(hr, photograph(i, 64))
        write_png(lr, degrade(photograph(i, 64)))
    return ValidationSet("Set5", every, files)


def looks(out: Path) -> list[dict[str, float]]:
    lines = [json.loads(line) for line in (out / "ledger.jsonl").read_text().splitlines()]
    return [line for line in lines if "validation" in line]


def train(config: Config, name: str, out: Path, looked_at: ValidationSet | None) -> None:
    task, settings = small_task(config, name)
    run_task(task, settings, INPUTS, out, looked_at)


def test_a_validated_training_has_a_curve_and_the_same_weights_and_events(tmp_path: Path) -> None:
    config = toy_config(tmp_path)
    train(config, "spsr_g", tmp_path / "plain", None)
    train(config, "spsr_g", tmp_path / "validated", validation(tmp_path, every=6))
    for name in ("model.safetensors", "events.jsonl"):
        assert (tmp_path / "plain" / name).read_bytes() == (tmp_path / "validated" / name).read_bytes()
    assert not looks(tmp_path / "plain")
    found = looks(tmp_path / "validated")
    assert [line["step"] for line in found] == [6, 12, 18, 20]
    ledger = [json.loads(line) for line in (tmp_path / "validated" / "ledger.jsonl").read_text().splitlines()]
    points = curves([], ledger, 0)
    assert points["validation/Set5/psnr", 12][0] == found[1]["validation"]["Set5/psnr"]


def test_what_is_measured_is_what_an_evaluation_would_measure(tmp_path: Path) -> None:
    task, _ = small_task(toy_config(tmp_path), "spsr_g")
    looked_at = validation(tmp_path, every=1)
    expected = np.mean([psnr(upscale_image(task.model, lr), hr) for lr, hr in looked_at.pairs])
    before = {name: value.clone() for name, value in task.model.state_dict().items()}
    assert looked_at.measure(task.model) == {"Set5/psnr": pytest.approx(expected, abs=1e-4)}
    assert task.model.training
    assert all(torch.equal(value, before[name]) for name, value in task.model.state_dict().items())


def test_the_images_are_those_of_the_prepared_benchmark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    config = toy_config(tmp_path, validation={"benchmark": "Set14", "every": 10})
    with pytest.raises(InputError, match=r"resources/prepared/toy/Set14: .* run `spsr prepare Set14"):
        validation_of(config)
    write_images(config, (), images=3)
    write_text(
        config.layout.passport("Set14"),
        PASSPORT,
    )
    found = validation_of(config)
    assert found is not None
    assert (found.benchmark, found.every, len(found.pairs)) == ("Set14", 10, 3)
    assert all(hr.shape[0] == 4 * lr.shape[0] for lr, hr in found.pairs)
    assert validation_of(toy_config(tmp_path)) is None


def test_a_benchmark_that_the_preset_lacks_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no benchmark 'Set15'"):
        toy_config(tmp_path, validation={"benchmark": "Set15", "every": 10})


def test_settings_that_decide_a_run_do_not_know_of_validation(tmp_path: Path) -> None:
    plain = toy_config(tmp_path).training_settings("spsr_g", 0)
    looked_at = toy_config(tmp_path, validation={"benchmark": "Set5", "every": 10}).training_settings("spsr_g", 0)
    assert plain == looked_at
