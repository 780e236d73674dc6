"""`spsr doctor --slurm` on a real Slurm: a submission that it would refuse is found before anything is launched."""

from collections.abc import Iterator

import pytest
from slurm.cluster import Cluster, missing

from spsr.config import CONFIGS, load
from spsr.doctor import Finding, check_submissions

pytestmark = [
    pytest.mark.slurm,
    pytest.mark.skipif(missing() is not None, reason=f"no Slurm: {missing()}"),
    pytest.mark.xdist_group("slurm"),
]

FITS = {"partition": "cpu", "gpu_partition": "gpu"}


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A cluster whose GPU jobs may take an hour."""
    each = Cluster(tmp_path_factory.mktemp("slurm") / "slurm")
    try:
        each.start()
        each.call("scontrol", "update", "PartitionName=gpu", "MaxTime=60")
        yield each
    finally:
        each.stop()


@pytest.fixture
def findings(cluster: Cluster, monkeypatch: pytest.MonkeyPatch):
    """What the doctor finds for the quick preset on a site."""

    def find(**site: str) -> list[Finding]:
        monkeypatch.chdir(CONFIGS.parent)
        for name, value in (*cluster.environment.items(), ("SPSR_SITE_SLOT_MINUTES", "60")):
            monkeypatch.setenv(name, value)
        for key, text in (FITS | site).items():
            monkeypatch.setenv(f"SPSR_SITE_{key.upper()}", text)
        return list(check_submissions(load()))

    return find


def test_requests_that_slurm_takes_are_one_line(findings) -> None:
    (found,) = findings()
    assert found.mark == "ok"
    assert "all" in found.found


@pytest.mark.parametrize(
    ("site", "rule", "words", "remedy"),
    [
        ({"slot_minutes": "240"}, "probe", "Requested time limit is invalid", "`slot_minutes`"),
        ({"gpu_partition": "nowhere"}, "evaluate", "Invalid partition name specified", "`gpu_partition`"),
        ({"host_memory_mb": "99000"}, "x train,", "node configuration is not available", "`host_memory_mb`"),
        ({"constraint": "nvlink"}, "evaluate", "Invalid feature specification", "`constraint`"),
    ],
)
def test_a_request_that_slurm_refuses_is_named_with_its_words_and_a_remedy(
    findings, site: dict[str, str], rule: str, words: str, remedy: str
) -> None:
    (found,) = (each for each in findings(**site) if rule in each.what)
    assert found.mark == "FAIL"
    assert words in found.found
    assert remedy in found.remedy
    assert "configs/site.yaml" in found.remedy


def test_short_jobs_are_tried_as_the_group_that_they_are_submitted_in(findings) -> None:
    refused = [each.what for each in findings(partition="nowhere")]
    assert any("table" in what and "figures" in what and "report" in what for what in refused)


def test_nothing_is_submitted(findings, cluster: Cluster) -> None:
    findings()
    assert cluster.call("squeue", "-h") == ""
