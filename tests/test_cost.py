"""Parameters and FLOPs of training, against counts made of the official code."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from spsr.config import CONFIGS, load
from spsr.training.step_cost import COUNTED, Step, network_step, step_flops, steps, training_cost

PRESETS = sorted(file for file in CONFIGS.glob("*.yaml") if "preset:" in file.read_text(encoding="utf-8"))


def test_a_step_of_spsr_g_costs_what_the_official_code_takes() -> None:
    cost = training_cost(load(CONFIGS / "paper.yaml"), "spsr_g", share_forward=False)
    assert cost.generator == 24_796_230
    assert cost.discriminators == 2 * 14_502_281
    assert cost.flops / 1e9 == pytest.approx(440.4, abs=0.05)


def test_a_step_of_rrdb_costs_its_forward_and_backward_pass() -> None:
    cost = training_cost(load(CONFIGS / "paper.yaml"), "rrdb")
    assert (cost.generator, cost.discriminators) == (16_697_987, 0)
    assert cost.flops / 1e9 == pytest.approx(110.1, abs=0.05)


@pytest.mark.parametrize("name", ["srresnet", "srgan", "srresnet_g"])
def test_shared_passes_save_two_forward_passes_of_each_discriminator(name: str) -> None:
    shared, separate = (training_cost(load(), name, share_forward=share) for share in (True, False))
    assert shared.separate_flops == separate.flops == separate.separate_flops
    assert (shared.flops < separate.flops) == (shared.discriminators > 0)


def test_flops_are_per_sample_whatever_the_number_of_replicas() -> None:
    config = load()
    recipe = config.preset.recipe.model_copy(update={"replicas": 2})
    doubled = type(config)(
        config.path, config.preset.model_copy(update={"recipe": recipe}), config.methods, config.extractors, {}
    )
    assert step_flops(doubled, "srgan") == step_flops(config, "srgan")


def test_the_table_of_costs_holds_every_training_of_every_preset_and_nothing_else() -> None:
    wanted = {step.what for preset in PRESETS for step in steps(load(preset)).values()}
    lines = [json.loads(line) for line in COUNTED.read_text(encoding="utf-8").splitlines()]
    assert {json.dumps(line["step"], sort_keys=True) for line in lines} == wanted


@pytest.mark.parametrize(
    "preset",
    [
        pytest.param(preset, marks=[] if preset.stem == "quick" else pytest.mark.slow, id=preset.stem)
        for preset in PRESETS
    ],
)
def test_the_table_of_costs_says_what_is_counted(preset: Path) -> None:
    """If not, run `python benchmarks/count_steps.py`."""
    table = COUNTED.read_text(encoding="utf-8").splitlines()
    distinct = {step.what: step for step in steps(load(preset)).values()}
    assert [line for line in (step.line() for step in distinct.values()) if line not in table] == []


def test_a_step_that_is_not_in_the_table_is_counted_once() -> None:
    step = network_step("nse", patch=36)
    counted = []
    once = Step(step.what, lambda: counted.append(step.count()) or counted[-1])
    assert once.cost() == once.cost() == step.count()
    assert len(counted) == 1


def test_every_method_is_listed_with_its_losses() -> None:
    from spsr.cli import app

    shown = CliRunner().invoke(app, ["methods", "--full"], env={"COLUMNS": "200"}).output
    assert all(name in shown for name in load().methods)
    assert "1e-07 pixel/structure" in shown
    assert "1e-07 pixel/structure" in CliRunner().invoke(app, ["methods", "spsr_j"]).output


def test_the_list_of_methods_has_a_line_each_on_a_narrow_terminal() -> None:
    from spsr.cli import app

    lines = CliRunner().invoke(app, ["methods"], env={"COLUMNS": "80"}).output.splitlines()
    assert [line.split()[0] for line in lines[1 : 1 + len(load().methods)]] == list(load().methods)
    assert len(lines) < 50


def test_the_cost_of_named_methods_is_theirs_alone() -> None:
    from spsr.cli import app

    shown = CliRunner().invoke(app, ["methods", "--cost", "rrdb"]).output
    assert "110.1" in shown
    assert "esrgan" not in shown
    refused = CliRunner().invoke(app, ["methods", "--inference", "rrdb"])
    assert "leave the names out" in str(refused.exception)
