"""Statistics, verdicts and claims: held to SciPy, to data with a known answer, and to the paper's own numbers."""

from pathlib import Path

import numpy as np
import pytest
from scipy import stats
from synthetic import toy_config, write_scores

from spsr.config import Config
from spsr.errors import InputError
from spsr.evaluation.score_files import read_csv, write_csv
from spsr.reporting.report import claims
from spsr.reporting.report.claims import check, check_all, read_claims
from spsr.reporting.report.verdicts import count_outcomes, verdict, verdicts
from spsr.reporting.tables.filled import Cell, fill
from spsr.results.paper import CellKey
from spsr.results.scores import Scores
from spsr.results.statistics import against_parent, difference, holm, paired_bootstrap, wilcoxon


def scores(values: np.ndarray) -> Scores:
    names = tuple(f"im_{i}" for i in range(values.shape[1]))
    return Scores(tuple(range(len(values))), names, {"psnr": values})


def test_holm_is_the_textbook_example() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([]) == []
    assert holm([0.5, 0.9]) == [1.0, 1.0]


def test_holm_keeps_the_chance_of_any_false_claim_at_the_level() -> None:
    random = np.random.default_rng(0)
    false_claims = sum(min(holm(list(random.uniform(size=9)))) < 0.05 for _ in range(2000))
    assert 0.03 < false_claims / 2000 < 0.07


def test_wilcoxon_is_that_of_scipy_and_1_for_equal_methods() -> None:
    random = np.random.default_rng(1)
    a, b = random.normal(size=20), random.normal(size=20)
    assert wilcoxon(a - b) == stats.wilcoxon(a, b).pvalue
    assert wilcoxon(np.zeros(20)) == 1.0


def test_the_paired_bootstrap_agrees_with_scipy() -> None:
    random = np.random.default_rng(2)
    parent = random.normal(26, 3, size=(1, 80))
    ours = parent + random.normal(0.2, 0.1, size=(1, 80))
    low, high = paired_bootstrap(ours, parent)
    reference = stats.bootstrap(
        ((ours - parent)[0],), np.mean, n_resamples=5000, method="percentile", rng=np.random.default_rng(0)
    ).confidence_interval
    assert (low, high) == pytest.approx((reference.low, reference.high), abs=0.004)


def test_pairing_finds_a_small_difference_among_images_that_differ_much() -> None:
    random = np.random.default_rng(3)
    level = random.normal(26, 4, size=(1, 50))
    better = level + 0.1 + random.normal(0, 0.05, size=(1, 50))
    found = difference("a", "b", "Set5", "psnr", scores(better), scores(level))
    assert found is not None
    assert found.supported
    assert found.mean == pytest.approx(0.1, abs=0.02)
    same = difference("a", "b", "Set5", "psnr", scores(level + random.normal(0, 0.05, size=(1, 50))), scores(level))
    assert same is not None
    assert not same.supported


def test_seeds_that_disagree_widen_the_interval_of_a_difference() -> None:
    random = np.random.default_rng(4)
    level = random.normal(26, 1, size=(1, 40))
    steady = np.repeat(level + 0.3, 3, axis=0)
    unsteady = level + np.array([[-0.5], [0.3], [1.1]])
    narrow, wide = paired_bootstrap(steady, level), paired_bootstrap(unsteady, level)
    assert wide[1] - wide[0] > 5 * (narrow[1] - narrow[0])
    assert wide[0] < 0 < narrow[0]


def test_few_images_or_other_images_are_not_tested() -> None:
    few = scores(np.ones((1, 5)))
    assert difference("a", "b", "Set5", "psnr", few, few) is None
    assert difference("a", "b", "Set5", "psnr", scores(np.ones((1, 8))), scores(np.ones((1, 9)))) is None


def test_an_ablation_is_compared_with_the_method_it_extends(toy: Config) -> None:
    write_scores(toy, images=12, methods=("spsr_g", "spsr_g_wo_gb"))
    found = against_parent(toy, "spsr_g_wo_gb")
    assert set(found) == {
        (d, m) for d in toy.preset.data.benchmarks for m in ("lpips", "psnr", "ssim", "ssim_standard")
    }
    item = found["Set14", "psnr"]
    frames = [read_csv(toy.layout.scores(name, 0, "Set14")) for name in ("spsr_g_wo_gb", "spsr_g")]
    assert item.parent == "spsr_g"
    assert item.mean == pytest.approx((frames[0]["psnr"] - frames[1]["psnr"]).mean())
    assert item.p_holm >= item.p
    assert against_parent(toy, "spsr_g") == {}


def cell(config: Config, value: float | None, method: str = "spsr_g", dataset: str = "Set14") -> Cell:
    return Cell(CellKey("table1", method, dataset, "psnr"), "26.640", value, absent="" if value else "no finished run")


def real_images(tmp_path: Path, **changes: object) -> Config:
    data = {"train": {"dataset": "DIV2K"}, "benchmarks": {"Set14": {"dataset": "Set14"}}}
    return toy_config(tmp_path, data=data, **changes)


def test_verdicts_say_reproduced_differs_or_not_run_and_why(tmp_path: Path) -> None:
    config = real_images(tmp_path, mark="")
    assert verdict(config, cell(config, 26.70)).outcome == "reproduced"
    far = verdict(config, cell(config, 26.80))
    assert (far.outcome, far.cause) == ("differs", "training: seed, or a choice that the paper leaves open")
    absent = verdict(config, cell(config, None))
    assert (absent.outcome, absent.cause) == ("not run", "no finished run")


def test_what_is_computed_must_agree_to_the_last_digit(tmp_path: Path) -> None:
    config = real_images(tmp_path, mark="")
    assert verdict(config, cell(config, 26.6409, "bicubic")).outcome == "reproduced"
    assert verdict(config, cell(config, 26.643, "bicubic")).cause == "protocol"


def test_other_images_than_the_papers_reproduce_nothing(toy: Config) -> None:
    found = verdict(toy, cell(toy, 26.640))
    assert found.outcome == "differs"
    assert found.cause.startswith("data: these are not the images of Set14")
    assert "schedule: toy" in found.cause


def test_there_is_a_verdict_on_each_of_the_papers_cells(toy: Config) -> None:
    write_scores(toy, methods=("esrgan",))
    counts = count_outcomes(verdicts(toy, [fill(toy, name) for name in toy.tables]))
    assert sum(counts.values()) == 537
    assert counts["differs"] == 15 + 9


def test_claims_on_the_papers_numbers_are_as_its_tables_show(toy: Config) -> None:
    found = {item.name: item for item in check_all(toy, {name: fill(toy, name) for name in toy.tables})}
    assert found["spsr_g_beats_esrgan"].paper.outcome == "holds"
    five = found["spsr_g_beats_esrgan_on_five_sets"].paper
    assert (five.outcome, five.agree, five.total) == ("fails", 12, 15)
    assert any("Set5 PSNR" in line and "30.400 / 30.454" in line for line in five.deciding)
    assert found["edsr_p_is_best"].paper.outcome == "fails"
    assert found["sampling_v_is_like_h"].paper.outcome == "holds"
    assert {item.ours.outcome for item in found.values()} == {"not testable"}


def test_a_claim_fails_on_one_counterexample_even_if_other_cells_are_missing(toy: Config) -> None:
    write_scores(toy, methods=("spsr_p", "spsr_p_v"))
    frame = read_csv(toy.layout.scores("spsr_p_v", 0, "Set5"))
    write_csv(frame.assign(psnr=frame["psnr"] + 9), toy.layout.scores("spsr_p_v", 0, "Set5"))
    for dataset in ("Set14", "Urban100"):
        toy.layout.scores("spsr_p", 0, dataset).unlink()
    claim = read_claims(toy)["sampling_v_is_like_h"]
    finding = check(claim, fill(toy, "table5"), lambda item: item.value)
    assert finding.outcome == "fails"
    assert any(line.startswith("Set5 PSNR") for line in finding.deciding)


def test_a_claim_about_an_unknown_method_names_its_line(
    toy: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "claims.yaml"
    path.write_text("odd:\n  text: x\n  where: y\n  table: table2\n  method: nobody\n  than: [esrgan]\n")
    monkeypatch.setattr(claims, "CLAIMS_FILE", path)
    with pytest.raises(InputError, match=r"claims\.yaml:1: odd: table2 has no method 'nobody'"):
        read_claims(toy)
