"""`spsr fetch` and `spsr prepare` as commands: one clear line, exit 2, for what a user gets wrong."""

import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from spsr.cli import main


@dataclass
class Done:
    """How a command ended."""

    returncode: int
    stdout: str
    stderr: str


class Command:
    """Runs `spsr` in this process, with its downloads in a folder of the test."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], resources: Path) -> None:
        monkeypatch.setenv("SPSR_RESOURCES", str(resources))
        monkeypatch.delenv("SPSR_DATASETS", raising=False)
        self._monkeypatch, self._capsys = monkeypatch, capsys

    def __call__(self, *arguments: str) -> Done:
        self._monkeypatch.setattr(sys, "argv", ["spsr", *arguments])
        with pytest.raises(SystemExit) as end:
            main()
        return Done(int(end.value.code or 0), *self._capsys.readouterr())


@pytest.fixture
def spsr(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    return Command(monkeypatch, capsys, tmp_path / "resources")


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["fetch", "Set55"], "error: fetch: no dataset or weights 'Set55'; did you mean 'Set5'?"),
        (["fetch"], "error: fetch: name datasets or weights, or give --all; `spsr fetch --list` shows the names"),
        (["fetch", "Set5", "--from", "/nowhere"], "error: /nowhere: no such folder; name the folder that holds Set5"),
        (["prepare", "Set55"], "error: prepare: no benchmark 'Set55' in "),
    ],
)
def test_wrong_input_is_one_line(spsr: Command, tmp_path: Path, arguments: list[str], line: str) -> None:
    done = spsr(*arguments)
    assert done.returncode == 2
    assert done.stderr.startswith(line)
    assert done.stderr.count("\n") == 1
    assert not list(tmp_path.rglob("*.png"))


def test_fetch_from_a_folder_then_list(spsr: Command, tmp_path: Path) -> None:
    torch.save({"w": torch.ones(2)}, tmp_path / "SRResNet_bicx4_in3nf64nb16.pth")
    done = spsr("fetch", "srresnet", "--from", str(tmp_path))
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "resources" / "weights" / "srresnet.pth").is_file()
    listed = spsr("fetch", "--list").stdout.splitlines()
    states = {line.split()[0]: line[18:26].strip() for line in listed}
    assert states["srresnet"].startswith("here")
    assert states["spsr_g"].startswith("by hand")


def test_prepare_writes_a_preset_s_benchmark_and_training_images(spsr: Command, tmp_path: Path) -> None:
    done = spsr("prepare", "Set5", "training")
    assert done.returncode == 0, done.stderr
    prepared = tmp_path / "resources" / "prepared" / "quick"
    assert {p.name for p in prepared.iterdir()} == {"Set5", "training"}
    assert {p.name for p in (prepared / "Set5").iterdir()} == {"HR", "LR", "passport.json"}
    assert {p.name for p in (prepared / "training").iterdir()} == {"index.json", "hr.npy", "lr.npy"}


def test_prepare_with_out_takes_the_registered_dataset(
    spsr: Command, tmp_path: Path, shared_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPSR_DATASETS", str(shared_data))
    done = spsr("prepare", "Set5", "-o", str(tmp_path / "out"))
    assert done.returncode == 0, done.stderr
    names = [p.stem for p in sorted((tmp_path / "out" / "Set5" / "LR").iterdir())]
    assert names == ["baby", "bird", "butterfly", "head", "woman"]
