"""`spsr train` and `spsr pretrain`: what they say, and with which exit code."""

from pathlib import Path

import pytest
import yaml
from synthetic import photograph, toy_config

from spsr import cli
from spsr.config import Config
from spsr.data.image_sets import ImageSet, from_folder
from spsr.data.pack import pack
from spsr.errors import InputError
from spsr.images import write_png
from spsr.training.patches import PatchSampler

Command = tuple[str, ...]
RRDB: Command = ("train", "rrdb")
NSE: Command = ("pretrain", "nse_p_h")


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Config:
    """The quick preset with two training images; a training takes four steps."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SPSR_RESOURCES", str(tmp_path / "resources"))
    small = {"batch": 2, "learning_rate": 1e-3, "log_every": 1, "checkpoint_every": 2, "iterations": 4}
    config = toy_config(
        tmp_path,
        schedules={
            "psnr": {**small, "patch": 32},
            "gan": {**small, "patch": 32},
            "contrastive": {**small, "patch": 96},
            "jigsaw": {**small, "patch": 84},
        },
        networks={"rrdb": {"features": 4, "blocks": 1, "growth": 4}},
        probe=None,
        only=["rrdb"],
        tables=["table1"],
    )
    for number in range(2):
        write_png(tmp_path / "photographs" / f"{number}.png", photograph(number, 120))
    pack(ImageSet(from_folder(tmp_path / "photographs")), config.layout.training_pack, processes=1)
    return config


def run(
    config: Config, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *words: str
) -> tuple[int, str]:
    """Exit code and everything that was printed."""
    monkeypatch.setattr("sys.argv", ["spsr", *words, "--configfile", str(config.path)])
    code = 0
    try:
        cli.main()
    except SystemExit as end:
        code = int(end.code or 0)
    printed = capsys.readouterr()
    return code, printed.out + printed.err


@pytest.mark.parametrize("command", [RRDB, NSE])
def test_a_training_ends_with_its_weights_and_is_not_repeated(
    command: Command, toy: Config, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = toy.layout.model(command[1], 0)
    code, printed = run(toy, capsys, monkeypatch, *command)
    assert (code, printed.splitlines()[-1]) == (0, str(weights))
    written = weights.stat().st_mtime_ns
    assert run(toy, capsys, monkeypatch, *command)[0] == 0
    assert weights.stat().st_mtime_ns == written


@pytest.mark.parametrize("command", [RRDB, NSE])
def test_a_training_without_time_stops_with_75_and_goes_on(
    command: Command, toy: Config, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    code, printed = run(toy, capsys, monkeypatch, *command, "--max-minutes", "0")
    assert code == 75
    assert "the same command goes on" in printed
    assert run(toy, capsys, monkeypatch, *command)[0] == 0
    assert toy.layout.model(command[1], 0).is_file()


@pytest.mark.parametrize("command", [RRDB, NSE])
def test_two_executions_are_compared_and_nothing_is_written(
    command: Command, toy: Config, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    code, printed = run(toy, capsys, monkeypatch, *command, "--verify-determinism", "2")
    assert (code, printed) == (0, f"{command[1]}: 2 steps taken twice are equal to the bit\n")
    assert not toy.layout.root.exists()


@pytest.mark.parametrize("command", [RRDB, NSE])
def test_the_step_that_a_failure_names_can_be_looked_at_again(
    command: Command, toy: Config, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    data = yaml.safe_load(toy.path.read_text())
    for schedule in data["schedules"].values():
        schedule["learning_rate"] = 1e30
    toy.path.write_text(yaml.safe_dump(data))
    code, printed = run(toy, capsys, monkeypatch, *command)
    assert code == 1
    assert "first bad module: " in printed
    option = printed.split("the same command with ")[1].split()
    code, printed = run(toy, capsys, monkeypatch, *command, *option)
    assert code == 0
    assert f"{command[1]}: step {option[1]}: images: " in printed
    assert f"{command[1]}: step {option[1]}: first bad module: the " in printed
    assert "none" not in printed


def test_another_configuration_is_refused_and_restart_keeps_the_earlier_run(
    toy: Config, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(toy, capsys, monkeypatch, *RRDB)[0] == 0
    first = toy.layout.model("rrdb", 0).read_bytes()
    data = yaml.safe_load(toy.path.read_text())
    data["schedules"]["psnr"]["learning_rate"] = 0.002
    toy.path.write_text(yaml.safe_dump(data))
    code, printed = run(toy, capsys, monkeypatch, *RRDB)
    assert code == 2
    assert "learning_rate" in printed
    assert "--restart" in printed
    assert toy.layout.model("rrdb", 0).read_bytes() == first
    assert run(toy, capsys, monkeypatch, *RRDB, "--restart")[0] == 0
    assert toy.layout.model("rrdb", 0).read_bytes() != first
    (aside,) = toy.layout.run("rrdb", 0).path.parent.glob("seed0.before-*")
    assert (aside / "model.safetensors").read_bytes() == first


def test_an_extractor_without_a_task_has_no_steps_to_look_at(
    toy: Config, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    code, printed = run(toy, capsys, monkeypatch, "pretrain", "nse_random", "--verify-determinism", "2")
    assert code == 2
    assert "nse_random': is not trained" in printed


def test_a_batch_that_does_not_divide_among_the_processes_is_bad_input(toy: Config) -> None:
    from spsr.data.pack import open_pack

    sampler = PatchSampler(open_pack(toy.layout.training_pack), 32, 10, 0)
    with pytest.raises(InputError, match="10 samples do not divide among 3 processes; start another number"):
        sampler.plan(0, rank=0, world=3)
    assert sum(len(sampler.plan(0, rank, 5)["hr"]) for rank in range(5)) == 10
