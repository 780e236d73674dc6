"""The paper's numbers are complete, and are those of its text."""

import re
from pathlib import Path

import pytest

from spsr.config import load
from spsr.results.paper import CellKey, decimals, paper_values

PAPER = Path(__file__).resolve().parents[2] / "shared" / "paper.txt"


@pytest.fixture(scope="module")
def paper_tables() -> dict[str, list[str]]:
    """The lines of the paper's text from the caption of each table to the next caption, or a little further."""
    if not PAPER.is_file():
        pytest.skip(f"needs the paper's text in {PAPER}")
    lines = [line.strip() for line in PAPER.read_text(encoding="utf-8").splitlines()]
    captions = {f"table{n}": lines.index(f"TABLE {n}") for n in range(1, 8)}
    return {
        name: lines[start : min([at for at in captions.values() if at > start] + [start + 60])]
        for name, start in captions.items()
    }


def printed_cells(name: str, lines: list[str]) -> dict[CellKey, str]:
    """The numbers of a table, read from its rows by the labels that stand in them."""
    table = load().table(name)
    columns = [(dataset, metric) for dataset in table.datasets for metric in table.metrics]
    cells: dict[CellKey, str] = {}
    methods = iter(table.methods)
    dataset = ""
    for line in lines:
        numbers = re.findall(r"(?<![\w.−-])\d+\.\d+(?![\w.])", line)
        if table.layout == "methods_across":
            dataset = line if line in table.datasets else dataset
            metric = line.split(" ")[0].lower()
            if metric in table.metrics and len(numbers) == len(table.methods):
                cells |= {CellKey(name, m, dataset, metric): v for m, v in zip(table.methods, numbers, strict=True)}
        elif len(numbers) == len(columns):
            method = next(methods)
            cells |= {CellKey(name, method, *column): v for column, v in zip(columns, numbers, strict=True)}
    return cells


@pytest.mark.parametrize("name", [f"table{n}" for n in range(1, 8)])
def test_every_cell_is_as_the_paper_prints_it(name: str, paper_tables: dict[str, list[str]]) -> None:
    ours = {key: value for key, value in paper_values().items() if key.table == name}
    assert printed_cells(name, paper_tables[name]) == ours


def test_rows_of_the_method_tables_belong_to_the_method_that_the_paper_names(
    paper_tables: dict[str, list[str]],
) -> None:
    """The row's first and last number stand on the line that starts with the method's title."""
    config = load()
    for name in ("table2", "table3", "table4"):
        for method in config.table(name).methods:
            title = config.method(method).title.replace("10⁻", "10−").translate(str.maketrans("¹²³⁵⁶⁸", "123568"))
            first = paper_values()[CellKey(name, method, "Set14", "lpips")]
            pattern = re.compile(rf"^{re.escape(title)}(?: \[60\])? {re.escape(first)} ")
            assert any(pattern.match(line) for line in paper_tables[name]), (name, method)


def test_the_paper_has_537_cells_and_the_tables_declare_exactly_these() -> None:
    declared = {
        CellKey(name, method, dataset, metric)
        for name, table in load().tables.items()
        for method in table.methods
        for dataset in table.datasets
        for metric in table.metrics
    }
    assert set(paper_values()) == declared
    assert len(declared) == 537


def test_printed_numbers_are_plausible() -> None:
    for key, value in paper_values().items():
        low, high = {"lpips": (0.0, 0.6), "psnr": (20.0, 35.0), "ssim": (0.6, 1.0)}[key.metric]
        assert low < float(value) < high, key


def test_digits_of_a_printed_number() -> None:
    assert [decimals(text) for text in ("0.778", "24.67", "0.06629", "30")] == [3, 2, 5, 0]
