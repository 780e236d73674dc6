"""The report: complete, self-contained, honest about gaps, and alive in a browser."""

import json
import re
from pathlib import Path

import pytest
from browser import needs_chromium, open_page
from synthetic import toy_config, write_images, write_run, write_scores

from spsr.config import Config
from spsr.reporting.report.browser import image_data
from spsr.reporting.report.page import make_report
from spsr.results.runs import finished_runs


def page(config: Config) -> str:
    return make_report(config).read_text(encoding="utf-8")


def fill_with_results(config: Config) -> None:
    methods = ("bicubic", "esrgan", "spsr_g", "spsr_g_wo_gb")
    write_scores(config, images=8, methods=methods)
    write_images(config, ("bicubic", "spsr_g"), images=2)
    for name in methods[1:]:
        write_run(config, name, 0)
    log = config.layout.logs / "train" / "spsr_g.seed0.log"
    log.parent.mkdir(parents=True)
    log.write_text("done\n")


def test_a_preset_without_any_result_has_a_report_of_gaps(toy: Config) -> None:
    text = page(toy)
    assert "<b>0 of 537</b> cells reproduced, 0 differ, 537 not run" in text
    assert "No finished run." in text
    assert text.count("not drawn") > 5


def test_the_summary_counts_every_cell_and_numbers_lead_to_their_run(toy: Config) -> None:
    fill_with_results(toy)
    text = page(toy)
    assert re.search(r"<b>0 of 537</b> cells reproduced, \d+ differ, \d+ not run", text)
    targets = set(re.findall(r'href="#(run-[^"]+)"', text))
    assert targets == {f"run-{name}-seed0" for name in ("bicubic", "esrgan", "spsr_g", "spsr_g_wo_gb")}
    for target in targets:
        assert f'id="{target}"' in text
    assert 'href="logs/train/spsr_g.seed0.log"' in text
    assert re.search(r"<code>[0-9a-f]{64}</code>", text)


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
    text = page(toy)
    script = """<script>
    const widths = () => [...document.querySelectorAll("#browser .picture")].map((p) => p.style.backgroundSize);
    const report = {panels: document.querySelectorAll("#panels figure").length, before: new Set(widths()).size};
    const small = parseFloat(document.querySelector("#panels .picture").style.backgroundSize);
    byId("zoom").value = 4; byId("zoom").dispatchEvent(new Event("input"));
    report.zoomed = parseFloat(document.querySelector("#panels .picture").style.backgroundSize) / small;
    byId("slider").value = 25; byId("slider").dispatchEvent(new Event("input"));
    report.clip = document.querySelector(".over-pane").style.clipPath;
    byId("pick-map").value = "error"; byId("pick-map").dispatchEvent(new Event("change"));
    report.error = document.querySelectorAll("#panels .picture.top").length;
    byId("pick-map").value = "lpips"; byId("pick-map").dispatchEvent(new Event("change"));
    report.maps = [...document.querySelectorAll("#panels .picture")].map((p) => p.style.backgroundImage);
    location.hash = "#run-spsr_g-seed0"; openTarget();
    report.open = document.getElementById("run-spsr_g-seed0").open;
    document.querySelector("#run-spsr_g-seed0 details.scores").open = true;
    setTimeout(() => {
      report.rows = document.querySelectorAll("#run-spsr_g-seed0 details.scores tbody tr").length;
      document.title = JSON.stringify(report);
    }, 200);
    </script></body>"""
    probe = toy.layout.report.with_name("probe.html")
    probe.write_text(text.replace("</body>", script), encoding="utf-8")
    document = open_page(probe.resolve().as_uri(), tmp_path)
    title = re.search(r"<title>(\{.*?\})</title>", document)
    assert title is not None
    found = json.loads(title[1].replace("&quot;", '"'))
    assert found["panels"] == 5
    assert found["zoomed"] == pytest.approx(4, rel=0.01)
    assert found["clip"] == "inset(0px 75% 0px 0px)"
    assert found["error"] == 3
    assert sum("lpips_maps/spsr_g/seed0" in address for address in found["maps"]) == 1
    assert found["open"] is True
    assert found["rows"] == 40
