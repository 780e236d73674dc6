"""The report: complete, self-contained, honest about gaps, and alive in a browser."""

import html
import json
import re
from pathlib import Path
from typing import Any

import pytest
from browser import needs_chromium, open_page
from synthetic import toy_config, write_images, write_run, write_scores

from spsr.cli.report import report
from spsr.config import Config
from spsr.reporting.report.browser import image_data
from spsr.reporting.report.page import make_report
from spsr.reporting.tables.formats import make_table
from spsr.results.runs import finished_runs


def page(config: Config) -> str:
    return make_report(config).read_text(encoding="utf-8")


def run_in_browser(report: Path, script: str, folder: Path, address: str = "", tolerated: str = "\0") -> Any:
    """What a script at the end of a report writes, as JSON, into the title."""
    probe = report.with_name("probe.html")
    text = report.read_text(encoding="utf-8")
    probe.write_text(text.replace("</body>", f"<script>{script}</script></body>"), encoding="utf-8")
    document = open_page(probe.resolve().as_uri() + address, folder, tolerated=tolerated)
    title = re.search(r"<title>(\{.*?\})</title>", document)
    assert title is not None
    return json.loads(html.unescape(title[1]))


def fill_with_results(config: Config) -> None:
    methods = ("bicubic", "esrgan", "spsr_g", "spsr_g_wo_gb")
    write_scores(config, images=8, methods=methods)
    write_images(config, ("bicubic", "spsr_g"), images=2)
    for name in methods[1:]:
        write_run(config, name, 0)
    log = config.layout.logs / "train" / "spsr_g.seed0.log"
    log.parent.mkdir(parents=True)
    log.write_text("done\n")


def test_a_preset_without_any_result_has_a_report_of_gaps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text = page(toy_config(tmp_path, mark=""))
    assert "<b>0 of 537</b> cells reproduced, 0 differ, 537 not run" in text
    assert "No finished run." in text
    assert text.count("not drawn") > 5


def test_the_summary_counts_every_cell_and_numbers_lead_to_their_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    config = toy_config(tmp_path, mark="")
    fill_with_results(config)
    text = page(config)
    assert re.search(r"<b>0 of 537</b> cells reproduced, \d+ differ, \d+ not run", text)
    targets = set(re.findall(r'href="#(run-[^"]+)"', text))
    assert targets == {f"run-{name}-seed0" for name in ("bicubic", "esrgan", "spsr_g", "spsr_g_wo_gb")}
    for target in targets:
        assert f'id="{target}"' in text
    assert 'href="logs/train/spsr_g.seed0.log"' in text
    assert re.search(r"<code>[0-9a-f]{64}</code>", text)


def test_numbers_of_other_settings_than_the_papers_give_no_verdict(toy: Config) -> None:
    write_scores(toy)
    text = page(toy)
    assert re.search(r"<b>\d+ of 537</b> cells have a number", text)
    assert "cells reproduced" not in text
    of_ours = re.findall(r'<td class="quiet"><span class="chip ([a-z-]+)">([^<]+)', text)
    assert {kind for kind, _ in of_ours} == {"undecided"}
    assert {outcome for _, outcome in of_ours} == {"holds here", "not here"}


def test_a_run_shows_its_score_and_time_and_a_note_of_all_tables_stands_once(toy: Config) -> None:
    fill_with_results(toy)
    text = page(toy)
    summary = re.search(r'id="run-esrgan-seed0".*?</summary>', text, re.DOTALL)
    assert summary is not None
    assert re.search(r"<span>0\.\d{4}</span><span>\d\d\.\d{3}</span><span>0\.\d{4}</span><span>12 s</span>", summary[0])
    assert text.count("on the luma Y (BT.601") == 1
    assert "PSNR (dB) ↑" in text


def test_tables_lead_to_their_files(toy: Config) -> None:
    assert 'href="tables/table1.csv"' not in page(toy)
    make_table(toy, "table1")
    text = page(toy)
    assert 'href="tables/table1.csv"' in text
    assert 'href="tables/table1.tex"' in text


def test_tables_lead_to_their_runs_in_mlflow_unless_the_page_is_passed_on(
    toy: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    report(toy.path)
    text = toy.layout.report.read_text(encoding="utf-8")
    assert 'href="http://127.0.0.1:5000/#/experiments/1/runs?viewStateShareKey=table1&amp;' in text
    report(toy.path, standalone=True)
    assert "in MLflow" not in toy.layout.report.with_name("report-standalone.html").read_text(encoding="utf-8")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://elsewhere:5000")
    report(toy.path)
    assert "in MLflow" not in toy.layout.report.read_text(encoding="utf-8")


def test_the_page_loads_nothing_from_elsewhere(toy: Config) -> None:
    fill_with_results(toy)
    text = page(toy)
    addresses = re.findall(r'(?:src|href)="([^"]+)"', text)
    assert not [address for address in addresses if re.match(r"(https?:)?//", address)]
    for address in addresses:
        if not address.startswith(("#", "data:")):
            assert (toy.layout.report.parent / address).exists(), address


def test_the_same_results_give_the_same_bytes(toy: Config) -> None:
    fill_with_results(toy)
    assert page(toy) == page(toy)


def test_the_data_of_the_page_are_the_scores_and_files(toy: Config) -> None:
    fill_with_results(toy)
    embedded = re.search(r'<script type="application/json" id="data">(.*?)</script>', page(toy), re.DOTALL)
    assert embedded is not None
    data = json.loads(embedded[1])
    assert set(data["scores"]) == {f"{name}-seed0" for name in ("bicubic", "esrgan", "spsr_g", "spsr_g_wo_gb")}
    assert len(data["scores"]["esrgan-seed0"]["Set5"]["lpips"]) == 8
    entries = image_data(toy, finished_runs(toy))
    assert data["images"] == entries
    assert len(entries) == 10
    for entry in entries:
        assert set(entry["files"]) == {"HR", "bicubic-seed0", "spsr_g-seed0"}
        for file in entry["files"].values():
            assert (toy.layout.report.parent / file).is_file()


def test_text_of_a_preset_cannot_break_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    foreign = {"mine": {"name": "</script><b>x", "from_images": "mine", "tables": ["table2"]}}
    config = toy_config(tmp_path, mark="<i>a & b</i>", results=foreign)
    write_scores(config, methods=("mine",))
    text = page(config)
    assert "<i>a & b</i>" not in text
    assert "</script><b>x" not in text


@needs_chromium
def test_in_a_browser_zoom_slider_and_links_work_without_an_error(toy: Config, tmp_path: Path) -> None:
    fill_with_results(toy)
    make_report(toy)
    script = """
    const widths = () => [...document.querySelectorAll("#browser .picture")].map((p) => p.style.width);
    const report = {panels: document.querySelectorAll("#panels figure").length, before: new Set(widths()).size};
    const small = parseFloat(document.querySelector("#panels .picture").style.width);
    byId("zoom").value = 4; byId("zoom").dispatchEvent(new Event("input"));
    report.zoomed = parseFloat(document.querySelector("#panels .picture").style.width) / small;
    byId("slider").value = 25; byId("slider").dispatchEvent(new Event("input"));
    report.clip = document.querySelector(".over-pane").style.clipPath;
    byId("pick-map").value = "error"; byId("pick-map").dispatchEvent(new Event("change"));
    report.error = document.querySelectorAll("#panels .picture.top").length;
    byId("pick-map").value = "lpips"; byId("pick-map").dispatchEvent(new Event("change"));
    report.maps = [...document.querySelectorAll("#panels .picture")].map((p) => p.src);
    location.hash = "#run-spsr_g-seed0"; openTarget();
    report.open = document.getElementById("run-spsr_g-seed0").open;
    document.querySelector("#run-spsr_g-seed0 details.scores").open = true;
    setTimeout(() => {
      report.rows = document.querySelectorAll("#run-spsr_g-seed0 details.scores tbody tr").length;
      document.title = JSON.stringify(report);
    }, 200);"""
    found = run_in_browser(toy.layout.report, script, tmp_path)
    assert found["panels"] == 5
    assert found["zoomed"] == pytest.approx(4, rel=0.01)
    assert found["clip"] == "inset(0px 75% 0px 0px)"
    assert found["error"] == 3
    assert sum("lpips_maps/spsr_g/seed0" in address for address in found["maps"]) == 1
    assert found["open"] is True
    assert found["rows"] == 40


@needs_chromium
def test_keys_wheel_filter_pins_and_sorting_work_and_an_address_brings_a_view_back(toy: Config, tmp_path: Path) -> None:
    fill_with_results(toy)
    make_report(toy)
    script = """
    const report = {zoom: view.zoom, x: view.x, right: byId("pick-right").value, first: current.image};
    byId("images").scrollIntoView();
    const frame = document.querySelector("#panels .frame");
    const wheel = (ctrlKey) => {
      const event = new WheelEvent("wheel", {deltaY: -1, ctrlKey, bubbles: true, cancelable: true});
      frame.dispatchEvent(event);
      return [event.defaultPrevented, view.zoom];
    };
    report.wheel = [wheel(false), wheel(true)];
    const press = (key) => document.body.dispatchEvent(new KeyboardEvent("keydown", {key, bubbles: true}));
    const clip = () => { press("f"); return document.querySelector(".over-pane").style.clipPath; };
    report.flips = [clip(), clip()];
    press("ArrowRight");
    report.next = current.image;
    const names = () => [...document.querySelectorAll("#panels figure")].map((figure) => figure.dataset.run);
    byId("panel-sort").value = "lpips"; byId("panel-sort").dispatchEvent(new Event("change"));
    report.sorted = names().slice(1).map((run) => scoreOf(run, current, "lpips"));
    document.querySelector("[data-run=bicubic-seed0] .pin").click();
    byId("filter").value = "spsr-g w/o"; byId("filter").dispatchEvent(new Event("input"));
    report.filtered = names();
    report.hash = location.hash;
    report.alts = [...document.querySelectorAll("#panels img")].every((image) => image.alt.includes(current.image));
    const table = byId("table2");
    const column = () => [...table.tBodies].map((body) => body.querySelector("td").dataset.value || null);
    const sort = () => table.querySelector("[data-metric=lpips] button").click();
    report.columns = [0, 1, 2].map(() => { sort(); return column(); });
    byId("table1").querySelector("tbody [data-metric=psnr] button").click();
    report.best = byId("table1").querySelector("tr:nth-child(2) td .ours").className;
    report.moved = !byId("alone").hidden;
    document.title = JSON.stringify(report);"""
    view = "#image=Set14/im_001&right=spsr_g-seed0&at=4,0.25,0.5"
    found = run_in_browser(toy.layout.report, script, tmp_path, view)
    assert (found["zoom"], found["x"], found["right"], found["first"]) == (4, 0.25, "spsr_g-seed0", "im_001")
    assert found["wheel"] == [[False, 4], [True, 5]]
    assert found["flips"] == ["inset(0px 0% 0px 0px)", "inset(0px 100% 0px 0px)"]
    assert found["next"] == "im_000"
    assert len(found["sorted"]) == 4
    assert found["sorted"] == sorted(found["sorted"])
    assert found["filtered"] == ["HR", "bicubic-seed0", "spsr_g_wo_gb-seed0"]
    assert found["hash"] == "#image=Set14%2Fim_000&left=HR&right=spsr_g-seed0&pins=bicubic-seed0"
    assert found["alts"] is True
    rising, falling, declared = ([float(value) for value in column if value] for column in found["columns"])
    assert rising == falling[::-1] == sorted(declared)
    assert rising != declared
    assert found["best"] == "ours best"
    assert found["moved"] is False


@needs_chromium
def test_one_finger_scrolls_the_page_and_two_zoom_and_move_the_picture(toy: Config, tmp_path: Path) -> None:
    fill_with_results(toy)
    make_report(toy)
    script = """
    const frame = document.querySelector("#panels .frame");
    const moved = (...xs) => {
      const touches = xs.map((clientX, identifier) => new Touch({identifier, target: frame, clientX, clientY: 9}));
      const event = new TouchEvent("touchmove", {touches, bubbles: true, cancelable: true});
      frame.dispatchEvent(event);
      return event.defaultPrevented;
    };
    const one = [moved(10), moved(90), view.zoom, view.x];
    const two = [moved(0, 60), moved(0, 120), view.zoom, view.x];
    frame.dispatchEvent(new TouchEvent("touchend", {bubbles: true}));
    document.title = JSON.stringify({one, two, hash: location.hash});"""
    found = run_in_browser(toy.layout.report, script, tmp_path)
    assert found["one"] == [False, False, 1, 0.5]
    assert found["two"][:3] == [True, True, 2]
    assert found["two"][3] < 0.5
    assert "at=2%2C" in found["hash"]


@needs_chromium
def test_a_report_that_was_moved_alone_says_so_unless_it_stands_alone(toy: Config, tmp_path: Path) -> None:
    fill_with_results(toy)
    make_table(toy, "table1")
    script = """setTimeout(() => { document.title = JSON.stringify({
      moved: !byId("alone").hidden,
      gaps: document.querySelectorAll("#panels .gap").length,
      pixels: [...document.querySelectorAll("#panels img")].map((image) => image.naturalWidth),
      outside: [...document.querySelectorAll("[src], [href]")].map((node) => node.getAttribute("src") || node.getAttribute("href"))
        .filter((address) => !/^(data:|#)/.test(address)),
    }); }, 500);"""  # noqa: E501
    found = {}
    for standalone in (False, True):
        moved = tmp_path / "mailed" / "report.html"
        moved.parent.mkdir(exist_ok=True)
        moved.write_bytes(make_report(toy, standalone).read_bytes())
        found[standalone] = run_in_browser(moved, script, tmp_path, tolerated="ERR_FILE_NOT_FOUND")
    assert found[False]["moved"] is True
    assert found[False]["gaps"] == 5
    assert found[True] == {"moved": False, "gaps": 2, "pixels": [96, 96, 96], "outside": []}
