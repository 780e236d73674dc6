"""The graph of jobs: what the tables need, each once, and what a change repeats."""

import subprocess
import sys
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from spsr.config import CONFIGS, load
from spsr.pipeline import Pipeline, named_preset
from spsr.pipeline.renewal import renewals

ROOT = CONFIGS.parent
QUICK = f"--configfile={ROOT}/configs/quick.yaml"


def job(name: str, seed: int = 0) -> SimpleNamespace:
    return SimpleNamespace(name=name, seed=str(seed))


def snakemake(*arguments: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"), *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def quick() -> Pipeline:
    return Pipeline(load())


def test_a_method_that_several_tables_hold_is_run_once(quick: Pipeline):
    assert max(Counter(quick.methods).values()) == 1
    assert {"srgan", "spsr_p", "esrgan"} <= set(quick.methods)


def test_every_trainable_method_of_the_tables_is_trained_in_the_quick_preset(quick: Pipeline):
    left_out = {name for table in quick.config.tables.values() for name in table.methods} - set(quick.methods)
    assert not left_out
    assert len(quick.trained) == 36


def test_natsr_waits_for_its_generator_and_for_the_judge_of_naturalness(quick: Pipeline):
    inputs = quick.training_inputs(job("natsr"))
    assert quick.config.layout.model("frsr", 0) in inputs
    assert quick.config.layout.model("nmd", 0) in inputs
    assert quick.judges == ("nmd",)
    assert not any("nmd" in str(path) for path in quick.training_inputs(job("esrgan")))


def test_a_method_that_only_a_figure_shows_is_run_too(quick: Pipeline):
    assert "rcan" in quick.trained
    assert not any("rcan" in table.methods for table in quick.config.tables.values())


def test_a_method_waits_for_its_starting_point_and_its_extractor(quick: Pipeline):
    inputs = [str(path) for path in quick.training_inputs(job("spsr_j"))]
    assert any("runs/rrdb/" in path for path in inputs)
    assert any("runs/nse_j/" in path for path in inputs)
    assert any("vgg19" in path for path in inputs)


def test_a_method_without_a_structure_term_waits_for_no_extractor(quick: Pipeline):
    assert not any("nse" in str(path) for path in quick.training_inputs(job("spsr_p_wo_sl")))


def test_a_psnr_network_waits_for_the_training_images_alone(quick: Pipeline):
    assert quick.training_inputs(job("rrdb")) == [quick.config.layout.training_pack]


def test_the_order_of_methods_lets_starting_points_go_first(quick: Pipeline):
    position = {name: index for index, name in enumerate(quick.methods)}
    for name in quick.trained:
        start = quick.config.method(name).init_from
        assert start is None or position[start] < position[name]


def test_a_constraint_of_no_names_matches_nothing():
    import re

    assert re.fullmatch(Pipeline.any_of([]), "anything") is None
    assert re.fullmatch(Pipeline.any_of(["a.b"]), "axb") is None


def test_the_preset_is_named_the_same_from_the_command_line_and_by_default(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(ROOT)
    assert named_preset([ROOT / "configs" / "quick.yaml"]) == named_preset([]) == "configs/quick.yaml"


@pytest.mark.parametrize("preset", ["quick", "paper"])
def test_the_whole_plan_of_a_preset_is_shown_without_error(preset: str, tmp_path: Path):
    shown = snakemake("-n", "--quiet", "rules", f"--configfile={ROOT}/configs/{preset}.yaml", "all", cwd=tmp_path)
    assert shown.returncode == 0, shown.stderr
    assert "train" in shown.stdout + shown.stderr


@pytest.fixture
def edited(tmp_path: Path) -> Path:
    """A folder in which rrdb was trained with another learning rate; returns its weights."""
    settings = load().training_settings("rrdb", 0)
    schedule = settings.schedule.model_copy(update={"learning_rate": 9.0})
    record = {"settings": settings.model_copy(update={"schedule": schedule}).plain(), "inputs": {}, "versions": {}}
    run = tmp_path / load().layout.run("rrdb", 0).path
    run.mkdir(parents=True)
    (run / "run.yaml").write_text(yaml.safe_dump(record), encoding="utf-8")
    (run / "ledger.jsonl").write_text('{"began_at_step": 0}\n{"step": 120}\n', encoding="utf-8")
    (run / "model.safetensors").write_bytes(b"weeks")
    return run / "model.safetensors"


def test_a_dry_run_names_every_training_that_would_begin_anew_and_its_steps(edited: Path, tmp_path: Path):
    shown = snakemake("-n", QUICK, "table1", cwd=tmp_path)
    assert shown.returncode == 0, shown.stderr
    said = shown.stdout + shown.stderr
    assert "rrdb seed 0, 120 steps done: schedule.learning_rate: 9.0 -> " in said


def test_an_edit_sets_no_training_aside_without_the_word(edited: Path, tmp_path: Path):
    target = str(edited.relative_to(tmp_path))
    shown = snakemake("--cores", "1", QUICK, "--forcerun", "train_start", "--", target, cwd=tmp_path)
    assert shown.returncode == 2, shown.stderr
    errors = [line for line in shown.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1
    assert "rrdb seed 0" in errors[0]
    assert "--config restart_changed=yes" in errors[0]
    assert edited.read_bytes() == b"weeks"


@pytest.mark.parametrize(("word", "given"), [([], False), (["--config", "restart_changed=yes"], True)])
def test_only_the_word_lets_a_job_begin_anew(word: list[str], given: bool, edited: Path, tmp_path: Path):
    shown = snakemake("-np", QUICK, "--forceall", "table1", *word, cwd=tmp_path)
    commands = [line for line in shown.stdout.splitlines() if "spsr train " in line or "spsr pretrain " in line]
    assert commands
    assert {"--restart-changed" in line for line in commands} == {given}


def test_what_reads_a_training_that_begins_anew_begins_anew_too(
    edited: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    config = load()
    for name in ("spsr_p", "srresnet"):
        folder = config.layout.run(name, 0)
        folder.path.mkdir(parents=True)
        record = {"settings": config.training_settings(name, 0).plain(), "inputs": {}, "versions": {}}
        folder.record.write_text(yaml.safe_dump(record), encoding="utf-8")
    changed = renewals(config, Pipeline(config).trainings)
    assert [one.name for one in changed] == ["rrdb", "spsr_p"]
    assert "rrdb begins anew" in changed[1].reasons


def test_a_mistake_in_the_preset_ends_the_workflow_with_one_line_and_code_2(tmp_path: Path):
    (tmp_path / "bad.yaml").write_text("preset: bad\nrecipee: official\n", encoding="utf-8")
    shown = snakemake("-n", "--configfile=bad.yaml", cwd=tmp_path)
    assert shown.returncode == 2
    assert "did you mean 'recipe'?" in shown.stderr
    assert "Traceback" not in shown.stderr
