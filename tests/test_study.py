"""The user study: a blinded page, ballots that cannot be mixed up, and what the votes say."""

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from browser import needs_chromium, open_page
from scipy.optimize import minimize
from synthetic import toy_config, write_images
from typer.testing import CliRunner

from spsr.cli import app
from spsr.config import Config
from spsr.errors import InputError
from spsr.study.ballots import Answer, checksum
from spsr.study.collect import collect
from spsr.study.create import create
from spsr.study.key import BLURRED, Key
from spsr.study.ranking import PRIOR, bradley_terry, pairwise_wins, summarise

METHODS = ("bicubic", "esrgan", "spsr_g")


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Config:
    monkeypatch.chdir(tmp_path)
    config = toy_config(tmp_path)
    write_images(config, METHODS, images=2)
    return config


def make(config: Config, trials: int = 4, checks: int = 1, seed: int = 0) -> Key:
    return create(config, config.layout.study, METHODS, (), trials, checks, seed)


def rankings_in_order(key: Key, order: tuple[str, ...]) -> list[list[int]]:
    """Each trial's options, those first that stand first in `order`."""
    return [
        sorted(range(len(trial.options)), key=lambda option: order.index(trial.options[option].shows))
        for trial in key.trials
    ]


HONEST = ("HR", "spsr_g", "esrgan", "bicubic", BLURRED)


def ballot(key: Key, rater: str, order: tuple[str, ...] = HONEST) -> dict[str, object]:
    answers = [Answer(trial=i, ranking=tuple(r)) for i, r in enumerate(rankings_in_order(key, order))]
    return {
        "format": "spsr ballot 1",
        "study": key.study,
        "rater": rater,
        "answers": [answer.model_dump(mode="json") for answer in answers],
        "checksum": checksum(key.study, rater, answers),
    }


def write(folder: Path, content: dict[str, object], name: str = "votes.json") -> Path:
    path = folder / name
    path.write_text(json.dumps(content, indent=1), encoding="utf-8")
    return path


def test_the_page_does_not_tell_which_method_made_a_picture(toy: Config) -> None:
    key = make(toy)
    page = (toy.layout.study / "study.html").read_text(encoding="utf-8")
    without_pictures = re.sub(r"base64,[A-Za-z0-9+/=]+", "", page)
    for name in (*METHODS, *(toy.method(name).title for name in METHODS), BLURRED, "toy"):
        assert name.lower() not in without_pictures.lower()
    assert not re.findall(r'(?:src|href)="(?!data:)', page)
    assert len({tuple(option.shows for option in trial.options) for trial in key.trials}) > 1


def test_images_come_evenly_from_all_benchmarks_and_checks_stand_among_them(toy: Config) -> None:
    benchmarks = list(toy.preset.data.benchmarks)
    key = make(toy, trials=len(benchmarks), checks=2)
    ranked = [trial for trial in key.trials if not trial.is_attention_check]
    assert sorted(trial.dataset for trial in ranked) == sorted(benchmarks)
    for trial in key.trials:
        assert len(trial.options) == len(METHODS)
    assert sum(trial.is_attention_check for trial in key.trials) == 2


def test_the_same_call_writes_the_same_bytes_and_another_seed_another_study(toy: Config) -> None:
    make(toy)
    files = [toy.layout.study / name for name in ("study.html", "key.json")]
    before = [file.read_bytes() for file in files]
    make(toy)
    assert [file.read_bytes() for file in files] == before
    with pytest.raises(InputError, match="holds another study"):
        make(toy, seed=1)
    assert [file.read_bytes() for file in files] == before


def test_votes_are_counted_without_attention_checks(toy: Config, tmp_path: Path) -> None:
    key = make(toy)
    files = [write(tmp_path, ballot(key, rater), f"{rater}.json") for rater in ("ann", "ben")]
    found = collect(toy, toy.layout.study, files)
    summary = found.summary.set_index("method")
    assert list(found.summary["method"]) == ["spsr_g", "esrgan", "bicubic"]
    assert summary.loc["spsr_g", ["rank1", "rank2", "rank3"]].tolist() == [8, 0, 0]
    assert summary.loc["esrgan", ["rank1", "rank2", "rank3"]].tolist() == [0, 8, 0]
    assert {"votes.csv", "ranking.csv", "figure9.png", "figure9.pdf"} == {file.name for file in found.files}
    assert len(pd.read_csv(toy.layout.study / "votes.csv")) == 2 * 4 * len(METHODS)


def test_a_rater_who_does_not_look_is_left_out_and_named(toy: Config, tmp_path: Path) -> None:
    key = make(toy)
    careless = ballot(key, "eve", tuple(reversed(HONEST)))
    found = collect(toy, toy.layout.study, [write(tmp_path, ballot(key, "ann"), "a.json"), write(tmp_path, careless)])
    assert found.inattentive == ("eve",)
    assert set(found.summary["raters"]) == {1}
    with pytest.raises(InputError, match="no rater passed"):
        collect(toy, toy.layout.study, [write(tmp_path, careless)])


def test_an_edited_foreign_partial_or_doubled_ballot_is_refused_and_nothing_written(
    toy: Config, tmp_path: Path
) -> None:
    key = make(toy)
    good = ballot(key, "ann")
    edited = json.loads(json.dumps(good))
    edited["answers"][0]["ranking"].reverse()
    answers = [Answer(trial=i, ranking=tuple(r)) for i, r in enumerate(rankings_in_order(key, HONEST))][:-1]
    partial = good | {
        "answers": [answer.model_dump(mode="json") for answer in answers],
        "checksum": checksum(key.study, "ann", answers),
    }
    for content, complaint in (
        (edited, "was edited"),
        (good | {"rater": "someone else"}, "was edited"),
        (good | {"study": "0" * 64}, "another study"),
        (partial, "does not rank every picture"),
        (good | {"format": "spsr ballot 2"}, "format"),
        ({"hello": 1}, "hello"),
    ):
        with pytest.raises(InputError, match=complaint):
            collect(toy, toy.layout.study, [write(tmp_path, content)])
    cut = write(tmp_path, good)
    cut.write_text(cut.read_text()[:-20])
    for path in (cut, tmp_path / "missing.json"):
        with pytest.raises(InputError, match="cannot be read as a ballot; give the files that raters saved"):
            collect(toy, toy.layout.study, [path])
    twice = [write(tmp_path, good, "a.json"), write(tmp_path, good, "b.json")]
    with pytest.raises(InputError, match=r"has voted in .*a\.json already"):
        collect(toy, toy.layout.study, twice)
    assert not (toy.layout.study / "votes.csv").exists()


def test_an_edited_key_or_one_of_another_preset_is_refused(toy: Config, tmp_path: Path) -> None:
    key = make(toy)
    files = [write(tmp_path, ballot(key, "ann"))]
    other = toy_config(tmp_path, preset="other")
    with pytest.raises(InputError, match="belongs to the preset toy, not other"):
        collect(other, toy.layout.study, files)
    path = toy.layout.study / "key.json"
    path.write_text(path.read_text().replace('"esrgan"', '"rrdb"'))
    with pytest.raises(InputError, match="was edited"):
        collect(toy, toy.layout.study, files)


def test_methods_without_images_are_named(toy: Config) -> None:
    with pytest.raises(InputError, match="method 'rrdb': no images"):
        create(toy, toy.layout.study, ("rrdb", "esrgan"), (), 4, 0, 0)
    with pytest.raises(InputError, match="no benchmark 'Set15'; did you mean"):
        create(toy, toy.layout.study, METHODS, ("Set15",), 4, 0, 0)
    with pytest.raises(InputError, match="needs two methods"):
        create(toy, toy.layout.study, ("esrgan",), (), 4, 0, 0)


def test_strengths_are_those_of_the_likelihood_and_of_the_truth() -> None:
    truth = np.array([0.8, 0.1, -0.2, -0.7])
    random = np.random.default_rng(3)
    wins = np.zeros((4, 4))
    for i in range(4):
        for j in range(i):
            first = random.binomial(4000, 1 / (1 + np.exp(truth[j] - truth[i])))
            wins[i, j], wins[j, i] = first, 4000 - first
    found = bradley_terry(wins[None])[0]

    def loss(log_strength: np.ndarray) -> float:
        gap = log_strength[:, None] - log_strength[None, :]
        return float(np.sum((wins + PRIOR * (1 - np.eye(4))) * np.logaddexp(0, -gap)))

    best = minimize(loss, np.zeros(4), tol=1e-12).x
    assert found == pytest.approx(best - best.mean(), abs=1e-4)
    assert found == pytest.approx(truth - truth.mean(), abs=0.1)


def test_intervals_over_raters_cover_the_truth_as_often_as_they_say() -> None:
    truth = np.array([0.6, 0.0, -0.6])
    random = np.random.default_rng(5)
    covered = []
    for _ in range(60):
        noise = random.gumbel(size=(12, 10, 3))
        ranks = np.argsort(np.argsort(-(truth + noise), axis=-1), axis=-1) + 1
        rows = [
            {"rater": r, "dataset": "Set5", "image": str(i), "method": "abc"[m], "rank": ranks[r, i, m]}
            for r, i, m in np.ndindex(ranks.shape)
        ]
        summary = summarise(pd.DataFrame(rows), "abc").set_index("method").loc[list("abc")]
        covered += list((summary["low"] <= truth) & (truth <= summary["high"]))
    assert 0.85 <= np.mean(covered) <= 1.0


def test_a_method_that_always_wins_has_a_finite_strength() -> None:
    ranks = np.tile([1, 2, 3], (50, 1))
    strengths = bradley_terry(pairwise_wins(ranks).sum(axis=0)[None])[0]
    assert np.isfinite(strengths).all()
    assert strengths[0] > strengths[1] > strengths[2]


@needs_chromium
def test_votes_given_in_a_browser_can_be_collected(toy: Config, tmp_path: Path) -> None:
    key = make(toy)
    script = """<script>
    localStorage.clear(); state = null; show();
    const order = ORDER;
    part("rater").value = "Zoë O'Neil";
    part("enter").requestSubmit();
    const pixelated = getComputedStyle(document.querySelector("#options img")).imageRendering;
    for (let turn = 0; turn < trials.length; turn++) {
      const ranking = order[trialNumber()];
      const pressed = (option) => part("options").querySelector(`[data-option="${option}"]`);
      pressed(ranking[1]).click(); pressed(ranking[1]).click();
      for (const option of ranking) {
        if (!part("next").disabled) throw new Error("can go on before all is ranked");
        pressed(option).click();
      }
      if (pressed(ranking[0]).dataset.rank !== "1") throw new Error("the first click is not rank 1");
      part("next").click();
    }
    if (part("end").hidden) throw new Error("no end");
    part("save").click();
    document.title = pixelated;
    </script></body>""".replace("ORDER", json.dumps(rankings_in_order(key, HONEST)))
    probe = toy.layout.study / "probe.html"
    page = (toy.layout.study / "study.html").read_text(encoding="utf-8")
    probe.write_text(page.replace("</body>", script), encoding="utf-8")
    document = open_page(probe.resolve().as_uri(), tmp_path)
    assert "<title>pixelated</title>" in document
    assert "votes-Zoë_O_Neil.json" in document
    saved = re.search(r'<textarea id="ballot"[^>]*>(.*?)</textarea>', document, re.DOTALL)
    assert saved is not None
    path = tmp_path / "votes.json"
    path.write_text(saved[1].replace("&amp;", "&"), encoding="utf-8")
    found = collect(toy, toy.layout.study, [path])
    assert list(found.summary["method"]) == ["spsr_g", "esrgan", "bicubic"]


@needs_chromium
def test_on_a_phone_the_reference_stays_in_view_and_all_pictures_are_zoomed_alike(toy: Config, tmp_path: Path) -> None:
    make(toy)
    script = """<script>
    localStorage.clear(); state = null; show();
    part("rater").value = "ann";
    part("enter").requestSubmit();
    part("zoom").click();
    part("options").firstChild.querySelector("img").dispatchEvent(
      new PointerEvent("pointermove", { bubbles: true, clientX: 0, clientY: 0 }));
    const shown = [...document.querySelectorAll("#vote img")];
    setTimeout(() => {
      scrollTo(0, document.body.scrollHeight);
      const looks = new Set(shown.map((image) => getComputedStyle(image).transform));
      const place = part("reference").closest("figure").getBoundingClientRect().top;
      document.title = `${innerWidth <= 640} ${scrollY > 0} ${place} ${[...looks]} ${part("vote").style.cssText}`;
    }, 500);
    </script></body>"""
    page = (toy.layout.study / "study.html").read_text(encoding="utf-8")
    probe = toy.layout.study / "probe.html"
    probe.write_text(page.replace("</body>", script), encoding="utf-8")
    document = open_page(probe.resolve().as_uri(), tmp_path, size=(420, 500))
    found = re.search(r"<title>(.*)</title>", document)
    assert found is not None
    assert found[1] == "true true 0 matrix(2, 0, 0, 2, 0, 0) --zoom: 2; --x: 0%; --y: 0%;"


def test_the_command_line_makes_a_study_and_says_where_it_lies(toy: Config, tmp_path: Path) -> None:
    methods = [word for name in METHODS for word in ("--method", name)]
    made = CliRunner().invoke(app, ["study", "create", "--configfile", str(toy.path), "--trials", "3", *methods])
    assert made.exit_code == 0, made.output
    assert "results/toy/study/study.html: 3 images of bicubic, esrgan, spsr_g, 3 attention checks" in made.output
    key = Key.model_validate_json((toy.layout.study / "key.json").read_text())
    files = [str(write(tmp_path, ballot(key, "ann")))]
    collected = CliRunner().invoke(app, ["study", "collect", "--configfile", str(toy.path), *files])
    assert collected.exit_code == 0, collected.output
    assert "figure9.pdf" in collected.output
    assert "strength: logarithm of the Bradley-Terry strength" in collected.output
