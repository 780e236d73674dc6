"""Working weights in bfloat16: the bits of autocast, with fp32 weights for everything but a step."""

from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path

import pytest
import torch
from random_weights import with_random_weights
from test_captured_steps import task_of
from torch import Tensor, nn

from spsr.config import Compute, Config
from spsr.config.settings import NATURALNESS
from spsr.models import build
from spsr.models.layers import ImageConv
from spsr.training import frozen, naturalness, objective, super_resolution
from spsr.training.extraction import self_supervision
from spsr.training.optimiser import adam
from spsr.training.seeding import seed_step
from spsr.training.task import Task
from spsr.training.working_weights import WorkingWeights, rounded

NAMES = ["rrdb", "spsr_g", "spsr_p", "spsr_j", "spsr_vgg", "spsr_resnet", "srgan", "edsr_g", "natsr", "sftgan"]
BF16 = {"precision": "bf16", "channels_last": True, "threads": 1}


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Config]:
    recipe = {"like": "official", "replicas": 1, "fusion_warmup": 1}
    judge = {"validate_every": 2, "validation_patches": 4}
    folder: Path = tmp_path_factory.mktemp("working")
    with with_random_weights(folder, compute=BF16, recipe=recipe, naturalness=judge) as config:
        yield config


def tensors(state: object, name: str = "") -> Iterator[tuple[str, Tensor]]:
    """All tensors of a state, by their place."""
    if isinstance(state, Tensor):
        yield name, state
    elif isinstance(state, dict):
        for key, value in state.items():
            yield from tensors(value, f"{name}.{key}")


def trained(task: Task, first: int = 0, last: int = 3) -> tuple[dict[str, Tensor], list[dict[str, float]]]:
    """State and losses after some steps."""
    losses = []
    for step in range(first, last):
        seed_step(0, step)
        losses.append({name: value.item() for name, value in task.step(step).items()})
    return dict(tensors(deepcopy(task.state_dict()))), losses


@pytest.mark.parametrize("name", [*NAMES, "nse_p_h", "nse_j", NATURALNESS])
def test_a_step_with_working_weights_has_the_bits_of_autocast(
    config: Config, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = task_of(config, name)
    assert task.optimiser._working.copies  # type: ignore[attr-defined]
    mine, losses = trained(task)
    for module in (naturalness, objective, super_resolution, self_supervision):
        monkeypatch.setattr(module, "working_weights", lambda network, compute: WorkingWeights())
    monkeypatch.setattr(frozen, "rounded", lambda network, compute: network)
    theirs, expected = trained(task_of(config, name))
    assert losses == expected
    assert mine.keys() == theirs.keys()
    assert [key for key in mine if not torch.equal(mine[key], theirs[key])] == []


def test_a_checkpoint_holds_fp32_weights_and_goes_on_with_the_same_bits(config: Config) -> None:
    whole, _ = trained(task_of(config, "spsr_g"), last=4)
    first, second = task_of(config, "spsr_g"), task_of(config, "spsr_g")
    half, _ = trained(first, last=2)
    assert {tensor.dtype for tensor in half.values() if tensor.is_floating_point()} == {torch.float32}
    second.load_state_dict(first.state_dict())
    assert all(torch.equal(whole[key], tensor) for key, tensor in trained(second, first=2, last=4)[0].items())


def test_images_and_normalisations_keep_fp32_weights_in_a_step() -> None:
    network = nn.Sequential(nn.Conv2d(3, 3, 3), nn.BatchNorm2d(3), ImageConv(3, 3, 1), nn.Flatten(), nn.Linear(3, 1))
    with WorkingWeights(network).in_place():
        held = [parameter.dtype for parameter in network.parameters()]
    assert held == [torch.bfloat16] * 2 + [torch.float32] * 4 + [torch.bfloat16] * 2
    assert {parameter.dtype for parameter in network.parameters()} == {torch.float32}


def test_a_network_has_its_own_weights_again_after_a_step_that_failed() -> None:
    layer = nn.Linear(2, 2)
    with pytest.raises(RuntimeError), WorkingWeights(layer).in_place():
        raise RuntimeError
    assert layer.weight.dtype == torch.float32


@pytest.mark.parametrize("name", ["rrdb", "nmd"])
def test_frozen_networks_are_rounded_once_and_in_bf16_only(name: str) -> None:
    network = build(name, **({"features": 4, "blocks": 1, "growth": 4} if name == "rrdb" else {"channels": 4}))
    before = {key: value.clone() for key, value in network.state_dict().items()}
    assert {value.dtype for value in rounded(network, Compute()).state_dict().values()} == {torch.float32}
    after = rounded(network.requires_grad_(False), Compute(precision="bf16")).state_dict()
    assert {value.dtype for value in after.values()} >= {torch.bfloat16}
    assert all(torch.equal(after[key].float(), value.to(after[key].dtype).float()) for key, value in before.items())


def test_a_state_of_pytorchs_adam_is_read_with_zeros_for_what_it_has_not_moved() -> None:
    """Such are the checkpoints of runs that began before the optimiser was the project's own."""
    torch.manual_seed(0)
    theirs = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))
    theirs[0].requires_grad_(False)
    stock = torch.optim.Adam(theirs.parameters(), lr=1e-2, fused=True)
    theirs(torch.rand(5, 3)).square().sum().backward()
    stock.step()
    theirs[0].requires_grad_(True)
    ours = deepcopy(theirs)
    mine = adam(ours.parameters())
    mine.load_state_dict(deepcopy(stock.state_dict()))
    mine.set_learning_rate(1e-2)
    for network, optimiser in ((ours, mine), (theirs, stock)):
        optimiser.zero_grad()  # type: ignore[attr-defined]
        network(torch.ones(5, 3)).square().sum().backward()
        optimiser.step()  # type: ignore[attr-defined]
    assert all(torch.equal(a, b) for a, b in zip(ours.parameters(), theirs.parameters(), strict=True))
