"""The device's part of a step says nothing to the host and hears nothing from it, so that it can be captured."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from batches import frozen_networks
from random_weights import with_random_weights
from small_runs import INPUTS, Images, run_task, small_task

from spsr.config import Compute, Config, Schedule, load
from spsr.config.settings import NATURALNESS
from spsr.models.gradient import gradient_map
from spsr.training import capture, process
from spsr.training.beside import Beside
from spsr.training.capture import EAGER_STEPS, CapturedSteps, CudaRecorder
from spsr.training.extraction.pretrain import extractor_task
from spsr.training.host_reads import HostReads
from spsr.training.method_training import build_task, step_samples
from spsr.training.naturalness import naturalness_task
from spsr.training.patches import PatchSampler
from spsr.training.seeding import seed_step
from spsr.training.super_resolution import SuperResolutionTask
from spsr.training.task import Task

Work = Callable[[], dict[str, torch.Tensor]]

CPU = torch.device("cpu")
METHODS = [name for name, method in load().methods.items() if method.source == "trained"]
EXTRACTORS = [name for name, extractor in load().extractors.items() if extractor.task]


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Config]:
    """The quick preset with a fusion warm-up and random weights, and a judge that validates in every third step."""
    recipe = {"like": "official", "replicas": 1, "fusion_warmup": 3}
    judge = {"validate_every": 3, "validation_patches": 4}
    with with_random_weights(tmp_path_factory.mktemp("captured"), recipe=recipe, naturalness=judge) as config:
        yield config


def task_of(config: Config, name: str, device: torch.device = CPU) -> Task:
    pack = Images(sizes=[(208, 216)] * 3)
    if name == NATURALNESS:
        return naturalness_task(config, pack, 0, device)
    if name in config.extractors:
        extractor = config.extractor(name)
        return extractor_task(config, extractor, config.schedule(str(extractor.task)), pack, 0, device)
    patch = config.schedule(config.method(name).schedule).patch
    sampler = PatchSampler(pack, patch, step_samples(config, name), 0, device=device)
    return build_task(config, name, 0, sampler, device)


@pytest.mark.parametrize("name", [*METHODS, *EXTRACTORS, NATURALNESS])
def test_the_devices_part_of_a_step_never_waits_for_the_host(config: Config, name: str) -> None:
    task = task_of(config, name)
    task.step(0)
    plan = task.prepare(5)
    with HostReads() as reads:
        losses = task.advance(plan)
    assert reads.place is None
    assert all(torch.isfinite(value) for value in losses.values())


@pytest.mark.parametrize(
    "work",
    [
        lambda x: x.sum().item(),
        lambda x: float(x.mean()),
        lambda x: bool(x.any()),
        lambda x: torch.equal(x, x + 1),
        lambda x: x * torch.tensor([2.0]),
        lambda x: x[x > 0],
        lambda x: x.nonzero(),
        lambda x: x.masked_select(x > 0),
        lambda x: x.unique(),
    ],
)
def test_what_waits_for_the_host_is_found_on_a_cpu_with_its_file_line_and_function(work: Callable[..., Any]) -> None:
    x = torch.ones(3)
    with HostReads() as reads:
        work(x)
    line = work.__code__.co_firstlineno
    assert str(reads.place).startswith(f"{__file__}:{line}, in <lambda> (aten.")


def test_counting_and_choosing_without_a_shape_that_depends_on_values_waits_for_nothing() -> None:
    x = torch.ones(3)
    with HostReads() as reads:
        torch.where(x > 0, x.count_nonzero(), x)[torch.zeros(2, dtype=torch.int64)].clamp(min=1)
    assert reads.place is None


def test_parameters_are_told_whether_they_train_only_when_that_changes(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[bool] = []
    requires_grad = torch.Tensor.requires_grad_

    def counted(tensor: torch.Tensor, required: bool = True) -> torch.Tensor:
        told.append(required)
        return requires_grad(tensor, required)

    task = task_of(config, "spsr_g")
    monkeypatch.setattr(torch.nn.Parameter, "requires_grad_", counted, raising=False)
    phases = [(task.prepare(step).phase, len(told)) for step in range(6)]
    every = sum(1 for _ in task.model.parameters())
    assert phases == [(True, every)] * 3 + [(False, 2 * every)] * 3


def test_what_depends_on_the_originals_alone_is_done_on_a_stream_of_its_own_between_fork_and_join(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    current = ["main"]

    class Stream:
        def __init__(self, name: Any) -> None:
            self.name = "main" if name == "main" else "beside"

        def wait_stream(self, other: "Stream") -> None:
            done.append(f"{self.name} waits for {other.name}")

    @contextmanager
    def within(stream: Stream) -> Iterator[None]:
        current.append(stream.name)
        yield
        current.pop()

    def noted(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def noting(*arguments: Any, **options: Any) -> Any:
            done.append(f"{name} on {current[-1]}")
            return function(*arguments, **options)

        return noting

    monkeypatch.setattr(torch.cuda, "Stream", Stream)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda: Stream(current[-1]))
    monkeypatch.setattr(torch.cuda, "stream", within)
    monkeypatch.setattr("spsr.losses.views.gradient_map", noted("gradient map", gradient_map))
    eager, task = (task_of(config, "spsr_p") for _ in range(2))
    assert isinstance(task, SuperResolutionTask)
    for network in frozen_networks(task.objective):
        network.forward = noted(type(network).__name__, network.forward)
    task.model.forward = noted("generator", task.model.forward)
    task._beside = Beside(torch.device("cuda"))
    expected = eager.step(5)
    done.clear()
    losses = task.step(5)
    fork, join = done.index("beside waits for main"), done.index("main waits for beside")
    assert fork == 0
    assert set(done[1:join]) == {"gradient map on beside", "VGG19 on beside", "NSE on beside", "generator on main"}
    assert set(done[join + 1 :]) == {"VGG19 on main", "NSE on main"}
    assert losses.keys() == expected.keys()
    assert all(torch.equal(value, expected[name]) for name, value in losses.items())


class Replays:
    """Records as a graph does, and runs the recorded work again with the numbers that it was given since."""

    def __init__(self, waits_at: str | None = None) -> None:
        self.eager, self.replayed, self.recorded, self.waits_at = 0, 0, 0, waits_at

    def eagerly(self, work: Work) -> tuple[dict[str, torch.Tensor], str | None]:
        self.eager += 1
        return work(), self.waits_at

    def record(self, work: Work) -> Work:
        self.recorded += 1

        def again() -> dict[str, torch.Tensor]:
            self.replayed += 1
            return work()

        return again


@pytest.mark.parametrize("name", ["spsr_p", "natsr", "nse_p_h", "nse_j", NATURALNESS])
def test_captured_steps_give_the_weights_and_losses_of_eager_ones(
    config: Config, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whole, and when they begin anew from a state in between."""
    eager, captured, resumed = (task_of(config, name) for _ in range(3))
    monkeypatch.setattr(capture, "EAGER_STEPS", 1)
    recorder, steps = Replays(), 6
    take = CapturedSteps(captured, recorder, pytest.fail).take
    expected = [eager.step(step) for step in range(steps)]
    found = []
    for step in range(steps):
        if step == 3:
            resumed.load_state_dict(captured.state_dict())
            take = CapturedSteps(resumed, recorder, pytest.fail).take
        found.append({term: value.clone() for term, value in take(step).items()})
    for one, other in zip(found, expected, strict=True):
        assert {term: value.item() for term, value in one.items()} == {term: v.item() for term, v in other.items()}
    assert all(map(torch.equal, resumed.model.state_dict().values(), eager.model.state_dict().values()))
    assert recorder.recorded == 2
    assert recorder.eager + recorder.replayed == steps
    assert recorder.replayed == (2 if name == NATURALNESS else 4)


def test_each_phase_is_recorded_once_it_has_had_some_eager_steps(config: Config) -> None:
    """A warm-up of three steps is too short to be recorded."""
    recorder = Replays()
    steps = CapturedSteps(task_of(config, "spsr_g"), recorder, pytest.fail)
    for step in range(10):
        steps.take(step)
    assert (recorder.eager, recorder.recorded, recorder.replayed) == (3 + EAGER_STEPS, 1, 4)


def test_steps_that_wait_for_the_device_are_not_recorded_which_is_said_once(config: Config) -> None:
    recorder, said = Replays(waits_at="mine.py:7"), []
    steps = CapturedSteps(task_of(config, "rrdb"), recorder, said.append)
    for step in range(8):
        steps.take(step)
    assert (recorder.eager, recorder.recorded) == (8, 0)
    assert len(said) == 1
    assert said[0].startswith("compute.capture: mine.py:7 waits for the device")


def test_capture_is_no_part_of_a_runs_identity_and_a_cpu_says_once_that_it_has_no_graphs(
    toy: Config, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = toy.preset.compute.model_copy(update={"capture": True})
    capturing = replace(toy, preset=toy.preset.model_copy(update={"compute": asked}))
    plain, captured = (config.training_settings("nse_p_h", 0) for config in (toy, capturing))
    assert plain.plain() == captured.plain()
    schedule = Schedule(iterations=2, batch=2, patch=96, learning_rate=1e-3)
    schedules = toy.preset.schedules | {"contrastive": schedule}
    task, settings = small_task(
        replace(capturing, preset=capturing.preset.model_copy(update={"schedules": schedules})), "nse_p_h"
    )
    run_task(task, settings, INPUTS, Path("out"))
    assert capsys.readouterr().out.count("no step is captured, for there are no graphs on a CPU") == 1


on_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
GPU_TASKS = ["spsr_g", "nse_p_h", NATURALNESS]


@pytest.mark.gpu
@on_gpu
@pytest.mark.parametrize("name", GPU_TASKS)
def test_a_seed_gives_the_same_bytes_on_a_gpu_in_deterministic_mode(config: Config, name: str) -> None:
    device = process.set_up(Compute(deterministic=True), 0)
    one, other = (task_of(config, name, device) for _ in range(2))
    for task in (one, other):
        for step in range(4):
            seed_step(0, step)
            task.step(step)
    assert all(map(torch.equal, one.model.state_dict().values(), other.model.state_dict().values()))


@pytest.mark.gpu
@on_gpu
@pytest.mark.parametrize("name", GPU_TASKS)
def test_graphs_on_a_gpu_give_the_bytes_of_eager_steps(config: Config, name: str) -> None:
    device = process.set_up(Compute(deterministic=True), 0)
    eager, captured = (task_of(config, name, device) for _ in range(2))
    steps = CapturedSteps(captured, CudaRecorder(device), pytest.fail)
    for step in range(12):
        seed_step(0, step)
        expected = eager.step(step)
        seed_step(0, step)
        found = steps.take(step)
        assert {term: value.item() for term, value in found.items()} == {t: v.item() for t, v in expected.items()}
    assert all(map(torch.equal, captured.model.state_dict().values(), eager.model.state_dict().values()))
