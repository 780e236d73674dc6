"""Tables: every number comes from a score, stands beside the paper's, and is marked as it should be."""

import csv
import html.parser
import math
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from synthetic import made_up_scores, toy_config, write_scores
from typer.testing import CliRunner

from spsr.config import Config
from spsr.errors import InputError
from spsr.evaluation.score_files import write_csv
from spsr.reporting.tables.filled import fill, places
from spsr.reporting.tables.formats import COLUMNS, WRITERS, make_table
from spsr.reporting.tables.latex import escape
from spsr.results.intervals import interval

CELL = ("esrgan", "Set14", "psnr")


def rows(config: Config, name: str) -> list[dict[str, str]]:
    make_table(config, name)
    with config.layout.table(name, "csv").open(newline="", encoding="utf-8") as opened:
        return list(csv.DictReader(opened))


def text(config: Config, name: str, suffix: str) -> str:
    make_table(config, name)
    return config.layout.table(name, suffix).read_text(encoding="utf-8")


def test_values_are_the_means_over_seeds_of_the_means_over_images(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    config = toy_config(tmp_path, seeds=[3, 4])
    write_scores(config, images=7, methods=("spsr_g",))
    row = next(
        r for r in rows(config, "table1") if (r["method"], r["dataset"], r["metric"]) == ("spsr_g", "Set5", "psnr")
    )
    frames = [made_up_scores(config, "spsr_g", seed, "Set5", 7) for seed in (3, 4)]
    mean = np.mean([frame["psnr"].mean() for frame in frames])
    assert float(row["value"]) == pytest.approx(mean, abs=1e-6)
    assert row["paper"] == "30.400"
    assert float(row["delta"]) == pytest.approx(mean - 30.400, abs=1e-6)
    assert (row["n_images"], row["n_seeds"]) == ("7", "2")
    assert float(row["ci_low"]) < float(row["value"]) < float(row["ci_high"])


def test_csv_has_the_agreed_columns_and_every_cell_of_the_table(toy: Config) -> None:
    write_scores(toy)
    table = rows(toy, "table1")
    assert tuple(table[0]) == COLUMNS
    assert COLUMNS == (
        "table", "method", "dataset", "metric", "paper", "value", "ci_low", "ci_high", "delta", "n_images", "n_seeds"
    )  # fmt: skip
    assert len(table) == 135


def test_nothing_is_invented_for_what_was_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    toy = toy_config(tmp_path, released={"sftgan": "sftgan"})
    write_scores(toy, methods=tuple(name for name in toy.methods if name != "sftgan"))
    absent = [row for row in rows(toy, "table1") if row["method"] == "sftgan"]
    assert len(absent) == 15
    for row in absent:
        assert row["value"] == row["ci_low"] == row["ci_high"] == row["delta"] == ""
        assert (row["n_images"], row["n_seeds"]) == ("0", "0")
    assert all(math.isfinite(float(row["value"])) for row in rows(toy, "table1") if row not in absent)
    for suffix in ("md", "tex", "html"):
        shown = text(toy, "table1", suffix)
        assert shown.count("not run") >= 15
        assert "its released weights are not available" in shown


def test_a_preset_without_any_result_gives_a_table_of_gaps(toy: Config) -> None:
    assert all(row["value"] == "" for row in rows(toy, "table4"))


def test_methods_that_the_preset_leaves_out_have_no_numbers_even_if_old_scores_lie_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    config = toy_config(tmp_path, only=["esrgan"])
    write_scores(config)
    there = {row["method"] for row in rows(config, "table2") if row["value"]}
    assert there == {"esrgan"}
    assert "the preset leaves it out" in text(config, "table2", "md")


def test_the_same_scores_give_the_same_bytes(toy: Config) -> None:
    write_scores(toy, images=5)
    first = {suffix: text(toy, "table5", suffix) for suffix in WRITERS}
    assert {suffix: text(toy, "table5", suffix) for suffix in WRITERS} == first


def test_every_number_of_a_reduced_preset_is_marked_and_none_of_the_paper_preset(toy: Config, tmp_path: Path) -> None:
    write_scores(toy)
    marked = re.findall(r"\d†|\d\*\*†|\d_†", text(toy, "table3", "md"))
    assert len(marked) == 45
    assert "† toy: numbers made up for a test" in text(toy, "table3", "html")
    full = toy_config(tmp_path, mark="")
    for suffix in ("md", "html"):
        assert "†" not in text(full, "table3", suffix)
    assert "dagger" not in text(full, "table3", "tex")


def test_lower_lpips_and_higher_psnr_are_best_and_unranked_methods_have_no_place(toy: Config) -> None:
    write_scores(toy)
    filled = fill(toy, "table1")
    for dataset in filled.table.datasets:
        row = {m: filled.cells[m, dataset, "lpips"] for m in filled.table.methods}
        ranked = {m: c.value for m, c in row.items() if c.value is not None and m not in ("bicubic", "rrdb")}
        order = sorted(ranked, key=lambda m: ranked[m])
        assert [m for m, c in row.items() if c.place == 1] == order[:1]
        assert [m for m, c in row.items() if c.place == 2] == order[1:2]
        psnr = {m: filled.cells[m, dataset, "psnr"] for m in filled.table.methods}
        assert psnr["rrdb"].place == psnr["bicubic"].place == psnr["rrdb"].paper_place == 0
    assert filled.cells["natsr", "Set14", "psnr"].paper_place == 1
    assert filled.cells["spsr_p", "Set14", "psnr"].paper_place == 2


def test_a_difference_from_the_parent_that_the_images_do_not_support_is_marked(toy: Config) -> None:
    write_scores(toy, images=20)
    frame = made_up_scores(toy, "spsr_g", 0, "Set14", 20)
    noise = np.random.default_rng(0).normal(scale=0.05, size=20)
    write_csv(frame.assign(psnr=frame["psnr"] + noise - noise.mean()), toy.layout.scores("spsr_g_wo_gl", 0, "Set14"))
    filled = fill(toy, "table2")
    assert filled.cells["spsr_g_wo_gl", "Set14", "psnr"].like_parent is True
    assert filled.cells["spsr_g_wo_gl", "Urban100", "psnr"].like_parent is False
    assert filled.cells["esrgan", "Set14", "psnr"].like_parent is None
    assert "≈†" in text(toy, "table2", "md")
    assert r"$\approx$\textsuperscript{\textdagger}" in text(toy, "table2", "tex")
    assert "≈: the difference from the method" in text(toy, "table2", "html")


def test_with_few_images_no_difference_is_judged(toy: Config) -> None:
    write_scores(toy, images=3)
    assert {cell.like_parent for cell in fill(toy, "table2").cells.values()} == {None}


def test_equal_values_share_a_place_and_a_single_value_has_none() -> None:
    assert places({"a": 1.0, "b": 2.0, "c": 2.0}, lower_is_better=False, marks=2) == {"a": 2, "b": 1, "c": 1}
    assert places({"a": 1.0, "b": 2.0, "c": 2.0}, lower_is_better=True, marks=1) == {"a": 1}
    assert places({"a": 1.0}, lower_is_better=True, marks=2) == {}


def test_layouts_are_those_of_the_paper(toy: Config) -> None:
    write_scores(toy)
    across = text(toy, "table5", "md").splitlines()[2]
    assert [cell.strip() for cell in across.split("|")[1:-1]] == [
        "Dataset", "Metric", "", "SPSR-P-h", "SPSR-P-v", "SPSR-P-c"
    ]  # fmt: skip
    down = text(toy, "table2", "md").splitlines()
    assert [cell.strip() for cell in down[2].split("|")[1:5]] == ["Method", "", "Set14 LPIPS ↓", "Set14 PSNR (dB) ↑"]
    assert down[4].startswith("| ESRGAN")


@pytest.mark.parametrize(("suffix", "lower"), [("md", "LPIPS ↓"), ("tex", r"LPIPS $\downarrow$"), ("html", "LPIPS ↓")])
@pytest.mark.parametrize("name", ["table2", "table5"])
def test_heads_say_the_unit_and_which_direction_is_better(toy: Config, name: str, suffix: str, lower: str) -> None:
    shown = text(toy, name, suffix)
    assert lower in shown
    assert "PSNR (dB) " in shown


def test_a_foreign_row_is_shown_without_a_paper_value(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    foreign = {"mine": {"name": "R&D_net 50% {x}", "from_images": "mine", "tables": ["table2"]}}
    config = toy_config(tmp_path, results=foreign)
    write_scores(config, methods=("mine", "esrgan"))
    mine = [row for row in rows(config, "table2") if row["method"] == "mine"]
    assert len(mine) == 9
    assert all(row["value"] and not row["paper"] and not row["delta"] for row in mine)
    assert r"R\&D\_net 50\% \{x\}" in text(config, "table2", "tex")
    assert "R&amp;D_net" in text(config, "table2", "html")


def test_images_that_differ_between_seeds_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    config = toy_config(tmp_path, seeds=[0, 1])
    write_scores(config, methods=("esrgan",))
    write_csv(made_up_scores(config, "esrgan", 1, "Set14", 5), config.layout.scores("esrgan", 1, "Set14"))
    with pytest.raises(InputError, match=r"esrgan/seed1/Set14\.csv: other images"):
        make_table(config, "table2")


def test_a_difference_that_rounds_to_zero_is_printed_without_a_sign(toy: Config) -> None:
    paper = fill(toy, "table2").cells["esrgan", "Set14", "psnr"].paper
    scores = made_up_scores(toy, "esrgan", 0, "Set14", 3)
    write_csv(scores.assign(psnr=float(paper or "nan") - 1e-7), toy.layout.scores("esrgan", 0, "Set14"))
    cell = next(r for r in rows(toy, "table2") if (r["method"], r["dataset"], r["metric"]) == CELL)
    assert cell["delta"] == "0.000000"
    for suffix in ("md", "tex", "html"):
        shown = text(toy, "table2", suffix)
        assert "0.000" in shown
        assert not re.search(r"[-−+]0\.000", shown)


def test_a_metric_that_was_not_measured_is_a_gap(toy: Config) -> None:
    write_scores(toy, methods=("esrgan",))
    frame = made_up_scores(toy, "esrgan", 0, "Set14", 3).assign(lpips=math.nan)
    write_csv(frame, toy.layout.scores("esrgan", 0, "Set14"))
    cell = fill(toy, "table2").cells["esrgan", "Set14", "lpips"]
    assert cell.value is None
    assert cell.absent == "LPIPS was not measured"


def test_an_interval_is_given_only_where_there_is_something_to_resample() -> None:
    assert interval(np.array([[1.0]])) is None
    assert interval(np.array([[1.0, math.inf]])) is None
    assert interval(np.array([[1.0, 3.0]])) is not None
    assert interval(np.array([[1.0], [3.0]])) is not None


def test_intervals_hold_the_true_mean_about_95_times_in_100() -> None:
    random = np.random.default_rng(0)
    hits = 0
    for _ in range(400):
        low, high = interval(random.normal(5.0, 2.0, size=(1, 60))) or (0.0, 0.0)
        hits += low <= 5.0 <= high
    assert 0.91 <= hits / 400 <= 0.98


def test_an_interval_over_seeds_and_images_is_wider_than_over_the_images_of_one_seed() -> None:
    random = np.random.default_rng(1)
    values = random.normal(size=(4, 50)) + np.array([[0.0], [3.0], [-3.0], [1.0]])
    low, high = interval(values) or (0.0, 0.0)
    one_low, one_high = interval(values[:1]) or (0.0, 0.0)
    assert high - low > 2 * (one_high - one_low)


@pytest.mark.parametrize(
    ("plain", "expected"),
    [
        ("γ = 10⁻²", r"$\gamma$ = 10$^{-2}$"),
        ("PSNR (dB) ↑", r"PSNR (dB) $\uparrow$"),
        ("a_b & 5 % #1 {x} ~ ^ $", r"a\_b \& 5 \% \#1 \{x\} \textasciitilde{} \textasciicircum{} \$"),
        ("C:\\dir", r"C:\textbackslash{}dir"),
    ],
)
def test_latex_special_characters_are_escaped(plain: str, expected: str) -> None:
    assert escape(plain) == expected


@pytest.mark.parametrize("name", ["table1", "table4"])
def test_latex_rows_are_complete_and_braces_balance(toy: Config, name: str) -> None:
    write_scores(toy)
    source = text(toy, name, "tex")
    bare = re.sub(r"\\[{}]", "", source)
    depth = 0
    for character in bare:
        depth += {"{": 1, "}": -1}.get(character, 0)
        assert depth >= 0
    assert depth == 0
    lines = [line for line in source.splitlines() if line.endswith(r" \\")]
    columns = len(re.search(r"\\begin\{tabular\}\{@\{\}([lr]+)@\{\}\}", source)[1])  # type: ignore[index]
    assert {len(re.findall(r"(?<!\\)&", line)) for line in lines} == {columns - 1}
    assert all(ord(character) < 128 for character in source.replace("γ", ""))


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")
def test_latex_compiles(toy: Config, tmp_path: Path) -> None:
    write_scores(toy)
    tables = [f"table{n}" for n in range(1, 8)]
    for name in tables:
        make_table(toy, name)
    inputs = "\n".join(rf"\input{{{toy.layout.table(name, 'tex').resolve()}}}" for name in tables)
    document = tmp_path / "all.tex"
    document.write_text(
        rf"\documentclass{{article}}\usepackage{{booktabs,xcolor,graphicx}}\begin{{document}}{inputs}\end{{document}}"
    )
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", document.name]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-1500:]


class _Tags(html.parser.HTMLParser):
    void = frozenset({"meta", "link", "br", "img", "input"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.outside: list[str] = []
        self.cells = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.cells += tag == "td"
        self.outside += [value for name, value in attrs if name in ("src", "href") and value]
        if tag not in self.void:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_html_is_well_formed_and_needs_no_other_file(toy: Config) -> None:
    write_scores(toy)
    tags = _Tags()
    tags.feed(text(toy, "table6", "html"))
    assert not tags.open
    assert not tags.outside
    assert tags.cells == 75


def test_the_command_writes_the_named_tables_and_refuses_unknown_ones(toy: Config) -> None:
    import typer

    from spsr.cli.table import table

    app = typer.Typer()
    app.command()(table)
    write_scores(toy)
    result = CliRunner().invoke(app, ["table3", "--configfile", str(toy.path)])
    assert result.exit_code == 0, result.output
    assert "45 of 45 cells" in result.output
    assert sorted(p.name for p in toy.layout.table("table3", "csv").parent.iterdir()) == [
        "table3.csv", "table3.html", "table3.md", "table3.tex"
    ]  # fmt: skip
    unknown = CliRunner().invoke(app, ["table9", "--configfile", str(toy.path)])
    assert isinstance(unknown.exception, InputError)
    assert "did you mean 'table" in str(unknown.exception)
