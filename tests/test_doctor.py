"""`spsr doctor`: every line is ok or says what to do."""

from pathlib import Path

import pytest

from spsr.cluster.site import Site
from spsr.config import load
from spsr.doctor import Finding, check_machine, check_slurm, check_submissions
from spsr.pipeline import Pipeline

PARTITIONS = """PartitionName=std Default=YES MaxTime=1-00:00:00 PreemptMode=OFF
PartitionName=a Default=NO MaxTime=02:00:00 PreemptMode={mode}
"""
SETTINGS = """SLURM_VERSION           = 22.05.8
MinJobAge               = {age} sec
PreemptType             = preempt/partition_prio
AccountingStorageType   = accounting_storage/none
"""


@pytest.fixture
def clients(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A Slurm that answers, with a partition `a` of A100s whose jobs may take two hours."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (tmp_path / "partitions").write_text(PARTITIONS.format(mode="REQUEUE"))
    (tmp_path / "settings").write_text(SETTINGS.format(age=300))
    scripts = {
        "scontrol": f'[ "$2" = config ] && cat {tmp_path}/settings || cat {tmp_path}/partitions',
        "sinfo": 'case "$*" in *"-p a"*) echo "gpu:a100:4(S:0-1)";; *) echo "(null)";; esac',
        "srun": f'echo "$@" >> {tmp_path}/srun; shift $(($# - 4)); exec "$@"',
        "squeue": "true",
        "sbatch": "true",
    }
    for name, script in scripts.items():
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    return tmp_path


def findings(site: Site, shared: Path) -> dict[str, Finding]:
    return {finding.what: finding for finding in check_slurm(site, shared)}


def test_a_cluster_that_fits_its_site_has_no_failing_line(clients: Path):
    site = Site(gpu_partition="a", gpu_type="a100", slot_minutes=120, account="abc")
    found = findings(site, clients / "results")
    assert [str(finding) for finding in found.values() if finding.mark == "FAIL"] == []
    assert {"Slurm", "partition", "gpu_partition", "GPUs", "time limit", "node", "shared files"} <= set(found)
    asked = (clients / "srun").read_text()
    assert "--gpus=a100:1" in asked
    assert "--partition=a --account=abc" in asked
    assert list((clients / "results").iterdir()) == []


@pytest.mark.parametrize(
    ("site", "what", "remedy"),
    [
        ({"gpu_partition": "b"}, "gpu_partition", "set `gpu_partition` in configs/site.yaml to one of std, a"),
        ({"gpu_partition": "std"}, "GPUs", "set `gpu_partition` or `gpus_per_run`"),
        ({"gpu_partition": "a", "gpu_type": "h100"}, "GPUs", "set `gpu_type`"),
        ({"gpu_partition": "a", "gpus_per_run": 8}, "GPUs", "`gpus_per_run`"),
        ({"gpu_partition": "a", "slot_minutes": 240}, "time limit", "set `slot_minutes: 120`"),
    ],
)
def test_what_the_site_names_must_exist(site: dict[str, str | int], what: str, remedy: str, clients: Path):
    finding = findings(Site.model_validate(site), clients)[what]
    assert finding.mark == "FAIL"
    assert remedy in finding.remedy


@pytest.mark.parametrize(
    ("shards", "site", "remedy"),
    [
        ("", {"runs_per_gpu": 2}, "GresTypes=gpu,shard"),
        (",shard:a100:8", {"runs_per_gpu": 2}, ""),
        (",shard:a100:32", {"runs_per_gpu": 2}, "set `shards_per_gpu: 8`"),
        (",shard:a100:32", {"runs_per_gpu": 2, "shards_per_gpu": 8}, ""),
    ],
)
def test_gpus_that_are_to_be_shared_must_be_divided(shards: str, site: dict[str, int], remedy: str, clients: Path):
    (clients / "bin" / "sinfo").write_text(f"#!/bin/sh\necho 'gpu:a100:4(S:0-1){shards}'\n")
    finding = findings(Site(gpu_partition="a", slot_minutes=60, **site), clients)["shards"]  # type: ignore[arg-type]
    assert remedy in finding.remedy
    assert (finding.mark == "ok") == (not remedy)


def test_preemption_that_cancels_is_pointed_out(clients: Path):
    (clients / "partitions").write_text(PARTITIONS.format(mode="CANCEL"))
    assert findings(Site(gpu_partition="a", slot_minutes=60), clients)["preemption"].mark == "note"


def test_jobs_that_vanish_at_once_need_accounting(clients: Path):
    (clients / "settings").write_text(SETTINGS.format(age=5))
    assert findings(Site(gpu_partition="a", slot_minutes=60), clients)["job records"].mark == "FAIL"


def test_a_node_without_the_folder_or_the_environment_is_found(clients: Path):
    (clients / "bin" / "srun").write_text(
        '#!/bin/sh\necho \'{"node": "n", "seen": false, "torch": "2", "cuda": "A100"}\'\n'
    )
    assert findings(Site(gpu_partition="a", slot_minutes=60), clients)["shared files"].mark == "FAIL"
    (clients / "bin" / "srun").write_text("#!/bin/sh\necho 'No module named torch' >&2\nexit 1\n")
    node = findings(Site(gpu_partition="a", slot_minutes=60), clients)["node"]
    assert (node.mark, "No module named torch" in node.found) == ("FAIL", True)


def test_without_slurm_there_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert [finding.what for finding in check_slurm(Site(), tmp_path)] == ["Slurm"]


def test_requests_are_tried_from_the_root_of_the_repository(clients: Path, monkeypatch: pytest.MonkeyPatch):
    config = load()
    monkeypatch.chdir(clients)
    assert ["root" in finding.remedy for finding in check_submissions(config)] == [True]


def test_a_machine_without_weights_is_told_how_to_get_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    pipeline = Pipeline(load())
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SPSR_RESOURCES", str(tmp_path / "resources"))
    found = {finding.what: finding for finding in check_machine(pipeline)}
    assert found["environment"].mark == "ok"
    assert "spsr fetch alexnet" in found["weights"].remedy
    assert "spsr plan" in found["disk"].remedy
    assert not any(finding.mark == "FAIL" for finding in found.values())
