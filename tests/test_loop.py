"""The loop: goes on, refuses another configuration, stops on request, and never fails silently."""

import json
import os
import re
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from small_runs import run_task
from torch import Tensor

from spsr.config import Config, Schedule, TrainingSettings, load
from spsr.config.run_folder import RunFolder
from spsr.errors import InputError, RunFailed, Stopped
from spsr.models import build
from spsr.training import checkpoints, events, record
from spsr.training.debug.autopsy import replay
from spsr.training.debug.determinism import verify_determinism
from spsr.training.execution import RestartPolicy
from spsr.training.seeding import seed_step


class Toy:
    """A tiny network that learns to be zero on noise drawn from torch's global generator."""

    flops_per_step = 1000

    def __init__(self, before: Callable[["Toy", int], None] | None = None) -> None:
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.model = build("srresnet", features=2, blocks=1)
        self.optimiser = torch.optim.Adam(self.model.parameters(), 1e-3)
        self.before = before
        self.steps: list[int] = []
        self.images = torch.rand(2, 3, 4, 4)

    def step(self, step: int) -> dict[str, Tensor]:
        self.steps.append(step)
        self.images = torch.rand(2, 3, 4, 4)
        if self.before is not None:
            self.before(self, step)
        loss = self.model(self.images).square().mean()
        self.optimiser.zero_grad()
        loss.backward()
        self.optimiser.step()
        return {"pixel/image": loss.detach()} | ({"late": 2 * loss.detach()} if step >= 3 else {})

    def state_dict(self) -> dict[str, Any]:
        return {"model": self.model.state_dict(), "optimiser": self.optimiser.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.model.load_state_dict(state["model"])
        self.optimiser.load_state_dict(state["optimiser"])

    def batch_names(self, step: int) -> list[str]:
        return [f"image{step}", f"image{step}", "other"]


SCHEDULE = Schedule(
    iterations=20,
    batch=2,
    patch=64,
    learning_rate=1e-4,
    milestones=(10,),
    log_every=2,
    checkpoint_every=10,
)


def settings_of(config: Config, name: str) -> TrainingSettings:
    """20 steps, an event every 2 and a checkpoint every 10."""
    return config.training_settings(name, 0).model_copy(update={"schedule": SCHEDULE})


@pytest.fixture(scope="module")
def config() -> Config:
    return load()


@pytest.fixture
def settings(config: Config) -> TrainingSettings:
    return settings_of(config, "spsr_g")


@pytest.fixture(scope="module")
def whole(config: Config, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("whole") / "run"
    run_task(Toy(), settings_of(config, "spsr_g"), {"x": "1"}, out)
    return out


def same(out: Path, whole: Path) -> bool:
    names = ("model.safetensors", "events.jsonl")
    return all((out / name).read_bytes() == (whole / name).read_bytes() for name in names)


def at(number: int, action: Callable[[Toy], None]) -> Callable[[Toy, int], None]:
    return lambda toy, step: action(toy) if step == number else None


def test_events_hold_the_means_of_their_interval(whole: Path, settings: TrainingSettings) -> None:
    lines = [json.loads(line) for line in RunFolder(whole).events.read_text().splitlines()]
    assert [line["step"] for line in lines] == list(range(2, 21, 2))
    assert [line["lr"] for line in lines] == [1e-4] * 5 + [5e-5] * 5
    toy, losses = Toy(), []
    for step in range(4):
        seed_step(settings.seed, step)
        losses.append(toy.step(step))
    assert lines[0]["losses"] == {"pixel/image": pytest.approx(sum(float(x["pixel/image"]) for x in losses[:2]) / 2)}
    assert lines[1]["losses"]["pixel/image"] == pytest.approx(sum(float(x["pixel/image"]) for x in losses[2:]) / 2)
    assert lines[1]["losses"]["late"] == pytest.approx(float(losses[3]["late"]))


def test_times_and_rates_are_in_the_ledger_only(whole: Path) -> None:
    lines = [json.loads(line) for line in RunFolder(whole).ledger.read_text().splitlines()]
    assert lines[0]["began_at_step"] == 0
    assert {"iterations_per_s", "samples_per_s", "tflops", "data_wait", "peak_memory_mb"} <= lines[1].keys()
    assert "time" not in RunFolder(whole).events.read_text()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1, signal.SIGINT])
def test_a_signal_saves_and_the_same_command_goes_on(
    number: signal.Signals, whole: Path, settings: TrainingSettings, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    with pytest.raises(Stopped, match=f"{number.name} after step 7 of 20"):
        run_task(Toy(at(6, lambda toy: os.kill(os.getpid(), number))), settings, {"x": "1"}, out)
    assert not RunFolder(out).model.exists()
    toy = Toy()
    run_task(toy, settings, {"x": "1"}, out)
    assert toy.steps == list(range(7, 20))
    assert same(out, whole)


def test_signal_handlers_are_put_back(settings: TrainingSettings, tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGTERM)
    run_task(Toy(), settings, {}, tmp_path / "run")
    assert signal.getsignal(signal.SIGTERM) == before


def test_the_time_limit_saves_and_stops(whole: Path, settings: TrainingSettings, tmp_path: Path) -> None:
    out = tmp_path / "run"
    for _ in range(19):
        with pytest.raises(Stopped, match="the time limit"):
            run_task(Toy(), settings, {"x": "1"}, out, max_minutes=0)
    run_task(Toy(), settings, {"x": "1"}, out, max_minutes=0)
    assert same(out, whole)


def test_a_finished_run_is_left_alone(whole: Path, settings: TrainingSettings) -> None:
    before = {path.name: path.stat().st_mtime_ns for path in whole.iterdir() if path.name != ".lock"}
    toy = Toy()
    run_task(toy, settings, {"x": "1"}, whole)
    assert toy.steps == []
    assert before == {path.name: path.stat().st_mtime_ns for path in whole.iterdir() if path.name != ".lock"}
    assert record.is_finished(RunFolder(whole), record.run_identity(settings, {"x": "1"}))


def test_lost_outputs_of_a_finished_run_are_restored(settings: TrainingSettings, whole: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    run_task(Toy(), settings, {"x": "1"}, out)
    for name in ("model.safetensors", "events.jsonl", "run.yaml"):
        (out / name).unlink()
    toy = Toy()
    run_task(toy, settings, {"x": "1"}, out)
    assert toy.steps == []
    assert same(out, whole)
    assert RunFolder(out).record.is_file()


def test_another_configuration_is_refused_with_the_difference(config: Config, tmp_path: Path) -> None:
    out = tmp_path / "run"
    run_task(Toy(), settings_of(config, "spsr_g"), {"x": "1"}, out)
    changed = settings_of(config, "spsr_g_wo_agl")
    for lost in ((), ("run.yaml",), ("model.safetensors", "events.jsonl")):
        for name in lost:
            (out / name).unlink()
        with pytest.raises(InputError, match=r"losses\.adversarial\.gradient: 0\.005 -> 0\.0.*--restart"):
            run_task(Toy(), changed, {"x": "1"}, out)
        with pytest.raises(InputError, match=r"--restart"):
            record.is_finished(RunFolder(out), record.run_identity(changed, {"x": "1"}))
    with pytest.raises(InputError, match=r'inputs\.x: "1" -> "2"'):
        run_task(Toy(), settings_of(config, "spsr_g"), {"x": "2"}, out)


@pytest.mark.parametrize(("restart", "inputs", "moved"), [(True, "1", 1), ("changed", "1", 0), ("changed", "2", 1)])
def test_restart_moves_the_old_run_aside(
    settings: TrainingSettings, tmp_path: Path, restart: RestartPolicy, inputs: str, moved: int
) -> None:
    out = tmp_path / "seed0"
    run_task(Toy(), settings, {"x": "1"}, out)
    old = RunFolder(out).model.read_bytes()
    toy = Toy()
    run_task(toy, settings, {"x": inputs}, out, restart=restart)
    aside = list(tmp_path.glob("seed0.before-*"))
    assert len(aside) == moved
    assert len(toy.steps) == 20 * moved
    if moved:
        assert RunFolder(aside[0]).model.read_bytes() == old
        assert RunFolder(aside[0]).events.exists()


def test_a_model_of_unknown_origin_is_not_overwritten(settings: TrainingSettings, tmp_path: Path) -> None:
    RunFolder(tmp_path).model.write_bytes(b"someone's")
    with pytest.raises(InputError, match="nothing says which configuration"):
        run_task(Toy(), settings, {}, tmp_path)
    assert RunFolder(tmp_path).model.read_bytes() == b"someone's"


def test_two_processes_do_not_train_in_one_folder(settings: TrainingSettings, tmp_path: Path) -> None:
    with record.locked(RunFolder(tmp_path)), pytest.raises(InputError, match="another process trains here"):
        run_task(Toy(), settings, {}, tmp_path)


def spoil_images(toy: Toy) -> None:
    toy.images[0, 0, 0, 0] = float("inf")


def spoil_gradient(toy: Toy) -> None:
    def hook(gradient: Tensor) -> Tensor:
        return gradient * float("nan")

    toy.images.requires_grad_().register_hook(hook)
    parameter = dict(toy.model.named_parameters())["head.weight"]
    handle = parameter.register_hook(lambda gradient: (handle.remove(), gradient * float("nan"))[1])


@pytest.mark.parametrize(
    ("spoil", "step", "module"),
    [
        (spoil_images, 13, r"the output of model\.head \(Conv2d\), in step 13"),
        (spoil_images, 4, r"the output of model\.head \(Conv2d\), in step 4"),
        (spoil_gradient, 14, r"the weights of model\.head \(Conv2d\), in step 14"),
    ],
)
def test_a_number_that_is_not_finite_stops_the_run(
    settings: TrainingSettings, tmp_path: Path, spoil: Callable[[Toy], None], step: int, module: str
) -> None:
    at_step = step if spoil is spoil_images else step - 1
    with pytest.raises(RunFailed) as failure:
        run_task(Toy(at(at_step, spoil)), settings, {}, tmp_path / "run")
    message = str(failure.value)
    good = tmp_path / "run" / "checkpoints" / f"step_{step // 10 * 10:07d}.pt"
    assert re.search(module, message), message
    assert f"step {step}: pixel/image is nan" in message
    assert f"images: image{step}, other" in message
    assert f"last good checkpoint: {good}" in message
    assert f"--replay-step {step}" in message
    assert "\n" not in message
    assert checkpoints.read_checkpoint(good)["step"] == step // 10 * 10
    assert not RunFolder(tmp_path / "run").model.exists()


def test_weights_that_are_not_finite_are_never_saved(settings: TrainingSettings, tmp_path: Path) -> None:
    # Step 9 is the last before the checkpoint after step 10: its losses are finite, its weights are not.
    with pytest.raises(RunFailed, match=r"step 9: model\.head\.weight is nan"):
        run_task(Toy(at(9, spoil_gradient)), settings, {}, tmp_path / "run")
    assert checkpoints.steps(tmp_path / "run" / "checkpoints") == [0]


def test_no_memory_names_the_knobs(settings: TrainingSettings, tmp_path: Path) -> None:
    def exhaust(toy: Toy) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")

    with pytest.raises(RunFailed, match=r"step 5: out of memory .*bf16.*batch \(now 2\)") as failure:
        run_task(Toy(at(5, exhaust)), settings, {}, tmp_path / "run")
    assert "\n" not in str(failure.value)


def test_other_errors_are_not_hidden(settings: TrainingSettings, tmp_path: Path) -> None:
    def fail(toy: Toy) -> None:
        raise ZeroDivisionError("a bug")

    with pytest.raises(ZeroDivisionError):
        run_task(Toy(at(5, fail)), settings, {}, tmp_path / "run")


def test_losses_are_transferred_at_the_interval_only(monkeypatch: pytest.MonkeyPatch) -> None:
    window = events.LossWindow()
    for _ in range(5):
        loss = torch.ones((), device="meta")  # reading a meta tensor is an error
        window.add({"a": loss, "b": loss})
    with pytest.raises((RuntimeError, NotImplementedError)):
        window.read()


def test_an_unwritable_folder_is_bad_input(settings: TrainingSettings, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="name another folder"):
        run_task(Toy(), settings, {}, tmp_path / "file" / "run")


def test_a_replay_finds_the_module_again(settings: TrainingSettings, tmp_path: Path) -> None:
    out = tmp_path / "run"
    with pytest.raises(RunFailed):
        run_task(Toy(at(13, spoil_images)), settings, {}, out)
    again = replay(Toy(at(13, spoil_images)), RunFolder(out).checkpoints, settings.seed, 13)
    assert again == "the output of model.head (Conv2d), in step 13"
    assert replay(Toy(), RunFolder(out).checkpoints, settings.seed, 13).startswith("none: steps 10 to 13 are finite")


def test_equal_executions_are_found_equal() -> None:
    assert verify_determinism(Toy, 0, 3) is None


def test_the_first_module_that_differs_is_named() -> None:
    built: list[Toy] = []

    def make() -> Toy:
        built.append(Toy())
        if len(built) == 2:
            with torch.no_grad():
                dict(built[1].model.named_parameters())["body.0.conv1.bias"][0] += 1e-3
        return built[-1]

    difference = verify_determinism(make, 0, 2)
    assert difference is not None
    assert difference.startswith("step 0: model.body.0.conv1 (Conv2d)"), difference
