"""Figures are drawn again one by one: those whose inputs have changed."""

from pathlib import Path

import pytest
from synthetic import toy_config, write_images, write_run, write_scores
from test_pipeline import snakemake

from spsr.config import Config
from spsr.files import write_text
from spsr.reporting.figures import catalogue
from spsr.reporting.figures.captions import CAPTIONS
from spsr.reporting.figures.drawn import inputs_of

VOTES = "group,system,share\nall,spsr_p,1\n"


@pytest.fixture
def results(toy: Config) -> Config:
    write_images(toy, ("esrgan", "sftgan"))
    write_scores(toy, images=1, methods=("esrgan", "sftgan"))
    write_run(toy, "esrgan", 0)
    for dataset in toy.preset.data.benchmarks:
        for name in ("esrgan", "sftgan"):
            write_text(toy.layout.upscaled(name, 0, dataset), "{}")
    return toy


def inputs(config: Config) -> dict[str, str]:
    return {name: inputs_of(config, name) for name in catalogue.FIGURES}


def changed(config: Config, before: dict[str, str]) -> set[str]:
    return {name for name, digest in inputs(config).items() if digest != before[name]}


def test_a_score_changes_the_figures_that_print_it(results: Config):
    before = inputs(results)
    with results.layout.scores("sftgan", 0, "Set14").open("a") as stream:
        stream.write("\n")
    assert changed(results, before) == {"figure16", "inference"}


def test_other_images_change_the_figures_that_show_them(results: Config):
    before = inputs(results)
    write_text(results.layout.upscaled("esrgan", 0, "Urban100"), "{ }")
    assert changed(results, before) == {"figure1", "figure7", "figure8", "figure19", "inference"}


def test_votes_change_figure_9_and_curves_the_losses(results: Config):
    before = inputs(results)
    write_text(results.layout.study / "ranking.csv", VOTES)
    assert changed(results, before) == {"figure9"}
    with results.layout.run("esrgan", 0).events.open("a") as stream:
        stream.write("\n")
    assert changed(results, before) == {"figure9", "losses"}


def test_the_mark_and_crops_of_a_preset_are_inputs_too(results: Config, monkeypatch: pytest.MonkeyPatch):
    before = inputs(results)
    assert set(before) == set(CAPTIONS)
    assert changed(toy_config(Path(), mark="another mark"), before) == set(CAPTIONS)


def test_what_stands_is_not_drawn_again(results: Config, monkeypatch: pytest.MonkeyPatch):
    kept = {name: catalogue.FIGURES[name] for name in ("figure4", "figure9", "figure14")}
    drawn: list[str] = []
    monkeypatch.setattr(catalogue, "FIGURES", kept)
    draw = catalogue.draw
    monkeypatch.setattr(catalogue, "draw", lambda config, name: drawn.append(name) or draw(config, name))
    reasons = catalogue.draw_all(results)
    folder = results.layout.figures
    before = {file.name: file.read_bytes() for file in folder.iterdir()}
    del drawn[:]
    assert catalogue.draw_all(results) == reasons
    assert drawn == []
    (folder / "figure4.png").write_bytes(b"cut")
    (folder / "figure14.pdf").unlink()
    assert catalogue.draw_all(results) == reasons
    assert drawn == ["figure4", "figure14"]
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == before
    (folder / "drawn.json").write_text("{")
    del drawn[:]
    catalogue.draw_all(results)
    assert drawn == [*kept]


def test_the_workflow_draws_figure_9_once_there_are_votes(results: Config):
    shown = snakemake("-np", f"--configfile={results.path}", "--forcerun", "figures", "--", "figures", cwd=Path())
    assert shown.returncode == 0, shown.stderr
    assert "ranking.csv" not in shown.stdout
    write_text(results.layout.study / "ranking.csv", VOTES)
    shown = snakemake("-np", f"--configfile={results.path}", "--forcerun", "figures", "--", "figures", cwd=Path())
    assert "ranking.csv" in shown.stdout
