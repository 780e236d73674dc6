"""MLflow's pages over an imported preset, in a real browser."""

import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from urllib.request import urlopen

import pytest
from browser import IN_CHROMIUM, open_page
from synthetic import toy_config, write_results

from spsr.reporting.report.page import make_report
from spsr.tracking import experiment, views
from spsr.tracking import track as tracking

METHODS = ("bicubic", "rrdb", "spsr_g_wo_gb")
REPORT = "<title>Structure-preserving super-resolution: toy</title>"

pytestmark = [
    *IN_CHROMIUM,
    pytest.mark.xdist_group("mlflow_ui"),
]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, dict[str, str]]]:
    """Address of all runs as `spsr ui` prints it last, and the identifiers of the runs by name."""
    folder = tmp_path_factory.mktemp("ui")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        config = toy_config(folder)
        write_results(config, METHODS)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        make_report(config, views=views.addresses(config, port))
        tracking.track(config)
        from mlflow import MlflowClient

        client = MlflowClient(experiment.tracking_uri(config))
        found = client.get_experiment_by_name("spsr-toy")
        runs = {run.info.run_name: run.info.run_id for run in client.search_runs([found.experiment_id])}
        command = [sys.executable, "-m", "spsr", "ui", "--configfile", str(config.path), "--port", str(port)]
        with (folder / "ui.log").open("w") as log:
            server = subprocess.Popen(command, stdout=log, stderr=log, text=True)
        try:
            yield address_printed(folder / "ui.log", server), runs
        finally:
            server.send_signal(signal.SIGINT)
            assert server.wait(30) == 0
            *said, _, end = (folder / "ui.log").read_text().splitlines()
            assert (end, len(said)) == ("stopped", 1 + len(views.view_names(config))), said


def address_printed(log: Path, server: subprocess.Popen[str]) -> str:
    for _ in range(900):
        printed = log.read_text().splitlines()
        if printed and printed[-1].startswith("http"):
            return printed[-1]
        assert server.poll() is None, log.read_text()
        time.sleep(0.1)
    raise AssertionError(f"no address was printed: {log.read_text()}")


def page_of_runs(address: str) -> str:
    return address.split("?")[0]


def open_view(address: str, folder: Path, painted: bool = False, awaited: str = "") -> str:
    """A page of MLflow, whose table of runs calls its grid by deprecated names, and the grid says so.

    Args:
        awaited: opened again, twice at most, until this is there: the page's clock does not wait for parts of the page
            that a busy server is slow to hand out.
    """
    for _ in range(3):
        page = open_page(address, folder, milliseconds=30_000, tolerated="AG Grid", painted=painted)
        if awaited in page:
            break
    return page


def test_the_printed_page_lists_every_run_by_method_and_seed(site: tuple[str, dict[str, str]], tmp_path: Path) -> None:
    address, _ = site
    page = open_view(address, tmp_path)
    for name in METHODS:
        assert f"{name}-seed0" in page
    assert "toy: numbers made up for a test" in page


def test_a_run_shows_its_scores_and_the_model_that_it_gave(site: tuple[str, dict[str, str]], tmp_path: Path) -> None:
    address, runs = site
    page = open_view(f"{page_of_runs(address)}/{runs['rrdb-seed0']}", tmp_path)
    assert "Set5/psnr" in page
    assert "toy.rrdb" in page


def test_the_registry_lists_trained_methods(site: tuple[str, dict[str, str]], tmp_path: Path) -> None:
    address, _ = site
    page = open_view(address.split("#")[0] + "#/models", tmp_path)
    assert "toy.rrdb" in page
    assert "toy.spsr_g_wo_gb" in page
    assert "toy.bicubic" not in page


def test_the_report_opens_among_the_artifacts_of_its_run(site: tuple[str, dict[str, str]], tmp_path: Path) -> None:
    address, runs = site
    page = open_view(f"{page_of_runs(address)}/{runs['report']}/artifacts/report.html", tmp_path)
    assert "report.html" in page
    served = f"{address.split('#')[0]}get-artifact?path=report.html&run_uuid={runs['report']}"
    with urlopen(served, timeout=30) as answer:
        assert REPORT in answer.read().decode()


def test_a_report_of_before_the_import_leads_to_the_view_of_a_table_with_its_runs_sorted_by_its_scores(
    site: tuple[str, dict[str, str]], tmp_path: Path
) -> None:
    address, runs = site
    served = f"{address.split('#')[0]}get-artifact?path=report.html&run_uuid={runs['report']}"
    with urlopen(served, timeout=30) as answer:
        links = re.findall(r'href="([^"]+)">runs in MLflow', answer.read().decode())
    (link,) = (unescape(each) for each in links if "=table2&" in each)
    assert link == views.address(page_of_runs(address), "table2")
    page = open_view(link, tmp_path)
    assert "tags.table2 = 'yes'" in page
    assert "Sort: Set14/lpips" in page
    assert "spsr_g_wo_gb-seed0" in page
    assert "bicubic-seed0" not in page
    for score in ("Set14/lpips", "Set14/psnr", "BSD100/ssim"):
        assert f'col-id="metrics.`{score}`"' in page


def test_the_view_of_images_shows_one_image_of_every_run(site: tuple[str, dict[str, str]], tmp_path: Path) -> None:
    address, runs = site
    page = open_view(
        views.address(page_of_runs(address), views.IMAGES), tmp_path, painted=True, awaited="Images/BSD100 im_000"
    )
    assert "Images/BSD100 im_000" in page
    for name in METHODS:
        assert re.search(rf'<img[^>]*src="get-artifact[^"]*Images~BSD100[^"]*{runs[f"{name}-seed0"]}', page), name
