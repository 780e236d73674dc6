"""`--set` and `--device`: other settings for one command, apart from the results of the preset as it stands."""

from pathlib import Path

import pytest
import torch

from spsr import cli
from spsr.config import Config, load
from spsr.data.inputs import training_inputs
from spsr.errors import InputError
from spsr.models.device import chosen

OWN = load().schedule("gan").iterations
SHORTER = f"schedules.gan.iterations={OWN - 1}"


def folder(config: Config, name: str) -> Path:
    return config.layout.run(name, 0).path


def test_a_trial_changes_the_setting_and_writes_beside_the_results_of_the_preset() -> None:
    preset, trial = load(), load(None, [SHORTER])
    assert (preset.schedule("gan").iterations, trial.schedule("gan").iterations) == (OWN, OWN - 1)
    assert folder(trial, "spsr_g").is_relative_to(preset.layout.root / "trials")
    assert trial.layout.scores("rrdb", 0, "Set5") != preset.layout.scores("rrdb", 0, "Set5")
    assert trial.layout.training_pack == preset.layout.training_pack


def test_what_a_trial_does_not_change_is_the_run_of_the_preset() -> None:
    trial = load(None, [SHORTER])
    assert folder(trial, "rrdb") == folder(load(), "rrdb")
    (start,) = (needed for needed in training_inputs(trial, "spsr_g") if needed.run == "rrdb")
    assert start.file == load().layout.model("rrdb", 0)


@pytest.mark.parametrize("change", ["schedules.psnr.iterations=20", "schedules.contrastive.iterations=20"])
def test_a_trial_of_what_a_method_starts_from_is_one_of_the_method_too(change: str) -> None:
    assert folder(load(None, [change]), "spsr_p") != folder(load(), "spsr_p")


def test_each_trial_has_a_folder_of_its_own_in_whatever_order_it_is_given() -> None:
    longer, other = "schedules.gan.iterations=30", "compute.precision=bf16"
    first, second = load(None, [SHORTER, other]), load(None, [other, SHORTER])
    assert folder(first, "spsr_g") == folder(second, "spsr_g")
    assert folder(first, "spsr_g") != folder(load(None, [longer, other]), "spsr_g")


@pytest.mark.parametrize("change", ["compute.device=cpu", "compute.capture=true", f"schedules.gan.iterations={OWN}"])
def test_what_no_result_depends_on_makes_no_trial(change: str) -> None:
    assert load(None, [change]).layout == load().layout


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("schedules.gan.iteration=2", "--set: schedules.gan.iteration: unknown key; did you mean 'iterations'"),
        ("schedules.gam.iterations=2", "no schedules.gam; did you mean 'gan'"),
        ("schedule.gan.iterations=2", "--set: schedule: unknown key; did you mean 'schedules'"),
        ("schedules.gan.iterations=x", "--set: schedules.gan.iterations: Input should be a valid integer"),
        ("schedules.gan.patch=48", "--set: schedules.gan.patch: 48 is no side"),
        ("compute={threads: 2, precison: bf16}", "--set: compute.precison: unknown key; did you mean 'precision'"),
        ("compute.device=tpu", "--set: compute.device: is no device; choose cpu, cuda or cuda:N"),
        ("seeds.a=1", "give all of it"),
        ("compute.threads=[", "no value"),
        ("preset=mine", "write a preset file"),
        ("data.train={folder: a}", "write a preset file"),
        ("iterations", "write key=value"),
    ],
)
def test_a_setting_that_the_schema_refuses_names_the_key_and_the_remedy(change: str, said: str) -> None:
    with pytest.raises(InputError) as error:
        load(None, [change])
    assert said in str(error.value)


def test_a_start_that_a_trial_lacks_is_made_by_the_same_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    words = ["upscale", "a.png", "-o", "out", "--method", "rrdb", "--set", "schedules.psnr.iterations=20"]
    assert ended(monkeypatch, *words) == 2
    assert "--set schedules.psnr.iterations=20 --seed 0` first" in capsys.readouterr().err


def test_the_cpu_is_chosen_where_it_is_asked_for_or_there_is_no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    names = (None, "cpu", "cuda", "cuda:1")
    assert [str(chosen(name)) for name in names] == ["cuda:0", "cpu", "cuda:0", "cuda:1"]
    assert str(chosen(None, 1)) == "cuda:1"
    with pytest.raises(InputError, match="cuda:2"):
        chosen("cuda:2")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert str(chosen(None)) == "cpu"


@pytest.mark.parametrize("command", ["train", "pretrain", "probe", "evaluate"])
def test_a_device_that_is_none_ends_with_one_line(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ended(monkeypatch, command, "rrdb", "--device", "tpu") == 2
    assert capsys.readouterr().err == "error: --device: tpu is no device; choose cpu, cuda or cuda:N\n"


def ended(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    """The exit code of a command."""
    monkeypatch.setattr("sys.argv", ["spsr", *words])
    with pytest.raises(SystemExit) as end:
        cli.main()
    return int(end.value.code or 0)
