"""What a method costs to use: measured apart, once for networks of one shape, and shown by list, figure and report."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pandas as pd
import pytest
from synthetic import write_scores
from typer.testing import CliRunner

from spsr import models
from spsr.cli import app
from spsr.config import Config
from spsr.errors import InputError, RunFailed
from spsr.evaluation import inference_costs
from spsr.evaluation.inference_costs import measure_inference, read_inference
from spsr.models.flops import forward_flops
from spsr.models.inference_cost import NetworkCost, cost_of
from spsr.reporting.figures import catalogue, inference
from spsr.reporting.figures.inference import tradeoffs
from spsr.reporting.figures.style import style
from spsr.reporting.report.page import make_report

SIZE = {"features": 4, "blocks": 1, "growth": 4}


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[dict[str, Any]]]:
    """What would have been measured; each took a second more than the one before."""
    subjects: list[dict[str, Any]] = []

    def made_up(subject: dict[str, Any], threads: int) -> NetworkCost:
        subjects.append(subject)
        return NetworkCost(24_796_230, 2_345_600_000_000, float(len(subjects)), 12345.0, "cpu, threads: 1")

    monkeypatch.setattr(inference_costs, "cost_of", made_up)
    return subjects


def test_a_network_is_counted_as_elsewhere_and_its_memory_holds_what_it_makes() -> None:
    network = models.build("rrdb", **SIZE)
    cost = cost_of({"architecture": "rrdb", "size": SIZE}, threads=1)
    assert cost.parameters == sum(each.numel() for each in network.parameters())
    assert cost.flops == forward_flops(network, (1, 3, 256, 256))
    assert cost.seconds > 0
    features = 4 * 1024 * 1024 * 4 / 2**20
    assert features < cost.peak_memory_mb < 30 * features
    with pytest.raises(RunFailed, match=r"rrdb: cannot be measured: .*size 'sides'"):
        cost_of({"architecture": "rrdb", "size": {"sides": 3}}, threads=1)


def test_networks_of_one_shape_are_measured_once(toy: Config, asked: list[dict[str, Any]]) -> None:
    costs = {cost.method: cost for cost in measure_inference(toy)}
    shapes = [(subject["architecture"], str(subject.get("size"))) for subject in asked]
    assert len(shapes) == len(set(shapes))
    assert ("bicubic", "None") in shapes
    assert costs["rrdb"].seconds == costs["esrgan"].seconds
    assert costs["spsr_g"].seconds == costs["spsr_p"].seconds != costs["spsr_p_wo_gb"].seconds
    assert costs["rrdb"].network == "rrdb"


def test_a_released_file_is_of_the_shape_that_it_holds(toy: Config, asked: list[dict[str, Any]]) -> None:
    models.to_checkpoint(models.build("rrdb", **toy.generator_size("rrdb")), toy.path.with_name("x.safetensors"))
    foreign = toy.method("bicubic").model_copy(update={"source": "foreign", "checkpoint": "x.safetensors"})
    table = toy.table("table1").model_copy(update={"methods": ("rrdb", "theirs")})
    config = replace(toy, methods=toy.methods | {"theirs": foreign}, tables={"table1": table})
    only = config.preset.model_copy(update={"tables": ("table1",), "figures": ()})
    costs = measure_inference(replace(config, preset=only))
    assert [cost.method for cost in costs] == ["rrdb", "theirs"]
    assert len(asked) == 1


def test_list_record_figure_and_report_show_what_was_measured(toy: Config, asked: list[dict[str, Any]]) -> None:
    with pytest.raises(InputError, match="run `spsr methods --inference`"):
        catalogue.draw(toy, "inference")
    result = CliRunner().invoke(app, ["methods", "--inference", "--configfile", str(toy.path)], env={"COLUMNS": "80"})
    assert result.exit_code == 0, result.output
    assert max(map(len, result.output.splitlines())) <= 80
    costs = read_inference(toy)
    assert all(f" {cost.method} " in result.output for cost in costs)
    assert "24,796,230" in result.output
    write_scores(toy, methods=("rrdb", "esrgan"))
    assert list(tradeoffs(toy)["method"]) == ["rrdb", "esrgan"]
    assert all(file.stat().st_size for file in catalogue.draw(toy, "inference"))
    make_report(toy)
    assert "24,796,230" in toy.layout.report.read_text(encoding="utf-8")
    toy.layout.inference.write_text("[{}]", encoding="utf-8")
    with pytest.raises(InputError, match=r"inference\.json: .*method.*; run"):
        read_inference(toy)


def test_names_of_networks_alike_in_time_and_quality_do_not_cover_each_other(
    toy: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the demo's networks are."""
    alike = {"edsr": (0.28, 0.321), "frsr": (0.287, 0.333), "rcan": (0.287, 0.338), "srresnet": (0.423, 0.362)}
    alike |= {"rrdb": (0.673, 0.3705), "sftgan": (0.69, 0.3725), "bicubic": (0.019, 0.373), "spsr_g": (6.76, 0.38)}
    rows = [(name, name, *measured) for name, measured in alike.items()]
    columns = ["method", "network", "seconds", "lpips"]
    monkeypatch.setattr(inference, "tradeoffs", lambda config: pd.DataFrame(rows, columns=columns))
    with style():
        figure = inference.draw(toy)
        figure.draw_without_rendering()
        boxes = [text.get_window_extent() for text in figure.axes[0].texts]
    assert len(boxes) == len(alike)
    assert not [one for number, one in enumerate(boxes) if any(one.overlaps(other) for other in boxes[:number])]
