"""Whole training steps of SPSR-G against the official code: losses, gradients, and which modules move."""

import json
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from golden_fill import fill, image, spsr_names
from torch import Tensor, nn

from spsr.config import Recipe, Schedule, Term
from spsr.losses import AdversarialLoss, Objective, PerceptualLoss, pixel_loss
from spsr.models import build
from spsr.models.discriminator import VggDiscriminator
from spsr.models.vgg import VGG19
from spsr.training.optimiser import adam
from spsr.training.super_resolution import SuperResolutionTask

OFFICIAL = Recipe.model_validate("official")
SCHEDULE = Schedule(iterations=500_000, batch=2, patch=128, learning_rate=1e-4)
NAMES = spsr_names()
WEIGHTED = {
    "pixel/image": ("l_g_pix", 0.01),
    "pixel/gradient": ("l_g_pix_grad_weighted", 0.01),
    "pixel/branch": ("l_g_pix_grad_branch", 0.5),
    "perceptual/image": ("l_g_fea", 1.0),
    "adversarial/image": ("l_g_gan", 0.005),
    "adversarial/gradient": ("l_g_gan_grad_weighted", 0.005),
}


class OfficialBatch:
    """Two made-up HR images and two LR images that have nothing to do with them."""

    def plan(self, step: int) -> dict[str, Tensor]:
        return {
            kind: torch.stack([image(side, side, f"ts_{kind}_{i}")[0] for i in (0, 1)])
            for kind, side in (("lr", 32), ("hr", 128))
        }

    def cut(self, plan: dict[str, Tensor]) -> dict[str, Tensor]:
        return plan

    def image_names(self, step: int) -> list[str]:
        return ["0", "1"]


def official_task() -> SuperResolutionTask:
    """SPSR-G with 16 features, whose discriminators pass each batch twice as the official code's do."""

    def adversarial(view: Any) -> AdversarialLoss:
        network = fill(VggDiscriminator())
        return AdversarialLoss(
            Term("adversarial", view, 0.005), network, adam(network.parameters()), share_forward=False
        )

    def pixel(view: Any, weight: float) -> Any:
        return pixel_loss(Term("pixel", view, weight), OFFICIAL)

    vgg19 = fill(VGG19(), gain=2**0.5)
    objective = Objective(
        [
            pixel("image", 0.01),
            pixel("gradient", 0.01),
            pixel("branch", 0.5),
            PerceptualLoss(Term("perceptual", "image", 1.0), vgg19),
            adversarial("image"),
            adversarial("gradient"),
        ],
        gradient_padding=OFFICIAL.gradient_padding,
    )
    generator = fill(build("spsr", features=16), NAMES, gain=0.55)
    return SuperResolutionTask(generator, objective, OfficialBatch(), SCHEDULE, fusion_warmup=OFFICIAL.fusion_warmup)


@dataclass
class Step:
    """What a step left behind, under the official names, and what the official code left."""

    logged: dict[str, float]
    sr: Tensor
    gradients: dict[str, Tensor]
    parameters: dict[str, Tensor]
    discriminators: list["Discriminator"]
    official: dict[str, Any]
    arrays: dict[str, Tensor]


def module_of(name: str) -> str:
    """The module that the official code counts a parameter to; it keeps `model.8` under a second name."""
    return "HR_conv0_new" if name.startswith("model.8.") else name.split(".")[0]


def run(golden: Path, phase: str, steps: tuple[int, ...]) -> tuple[list[Step], set[str]]:
    """The official steps (counted from 1) of a phase, and the modules that they change."""
    official = json.loads((golden / "trainstep_losses.json").read_text())[phase]
    with np.load(golden / "trainstep.npz") as file:
        arrays = {name: torch.from_numpy(file[name]) for name in file.files}
    task = official_task()
    seen: list[Tensor] = []
    task.model.register_forward_hook(lambda _module, _inputs, output: seen.append(output.sr.detach()))
    named = {NAMES[name]: parameter for name, parameter in task.model.named_parameters()}
    before = {name: parameter.detach().clone() for name, parameter in named.items()}
    taken = []
    for number in steps:
        logged = task.step(number - 1)
        prefix = f"s{number}_"
        taken.append(
            Step(
                {name: value.item() for name, value in logged.items()},
                seen[-1],
                {name: p.grad.clone() for name, p in named.items() if p.grad is not None},
                {name: p.detach().clone() for name, p in named.items()},
                [Discriminator.of(loss.discriminator) for loss in task.objective.adversarial],
                official[f"step_{number}"],
                {name.removeprefix(prefix): value for name, value in arrays.items() if name.startswith(prefix)},
            )
        )
    changed = {module_of(name) for name, parameter in named.items() if not torch.equal(parameter, before[name])}
    assert changed == set(official["changed_modules"])
    return taken, changed


@dataclass
class Discriminator:
    """What is compared of the image's discriminator after its step."""

    first_weight: Tensor
    first_gradient: Tensor
    running_mean: Tensor
    gradient_norm: float

    @classmethod
    def of(cls, network: nn.Module) -> "Discriminator":
        first = network.get_parameter("features.0.weight")
        assert first.grad is not None
        squares = [p.grad.double().square().sum().item() for p in network.parameters() if p.grad is not None]
        mean = network.get_buffer("features.3.running_mean")
        return cls(
            first.detach().flatten()[:27].clone(), first.grad.flatten()[:27].clone(), mean.clone(), sum(squares) ** 0.5
        )


@pytest.fixture(scope="module")
def warm_up(golden: Path) -> "Phase":
    return run(golden, "branch_pretrain_phase", (1, 2))


@pytest.fixture(scope="module")
def full(golden: Path) -> "Phase":
    return run(golden, "full_phase", (6000, 6001))


Phase = tuple[list[Step], set[str]]


@pytest.fixture(params=["warm_up", "full"])
def phase(request: pytest.FixtureRequest) -> Phase:
    return request.getfixturevalue(request.param)


def test_generator_losses_are_the_official_ones(phase: Phase) -> None:
    for step in phase[0]:
        for name, (official, weight) in WEIGHTED.items():
            assert step.logged[name] * weight == pytest.approx(step.official[official], rel=1e-3), name


def test_discriminator_losses_and_logits_are_the_official_ones(phase: Phase) -> None:
    for number, step in enumerate(phase[0]):
        for view, suffix in (("image", ""), ("gradient", "_grad")):
            official = (step.official[f"l_d_real{suffix}"] + step.official[f"l_d_fake{suffix}"]) / 2
            assert step.logged[f"discriminator/{view}"] == pytest.approx(official, rel=1e-3, abs=1e-4 * number)
            for side in ("real", "fake"):
                logit = step.official[f"D_{side}{suffix}"]
                assert step.logged[f"discriminator/{view}/{side}"] == pytest.approx(logit, rel=1e-3)


def test_super_resolved_images_are_the_official_ones(phase: Phase) -> None:
    for step in phase[0]:
        torch.testing.assert_close(step.sr[:, :, 60:68, 60:68], step.arrays["sr_slice"], atol=1e-3, rtol=0)


def test_gradient_norms_of_every_module_are_the_official_ones(phase: Phase) -> None:
    step = phase[0][0]
    squares: dict[str, float] = defaultdict(float)
    for name, gradient in step.gradients.items():
        squares[module_of(name)] += gradient.double().square().sum().item()
    official = dict(step.official["grad_norm_by_module"])
    fixed_kernels = official.pop("get_g_nopadding")
    assert fixed_kernels < 1e-3
    for module, norm in official.items():
        assert squares[module] ** 0.5 == pytest.approx(norm, rel=5e-3), module
    norms = [network.gradient_norm for network in step.discriminators]
    assert norms == pytest.approx([step.official["D_grad_norm"], step.official["Dgrad_grad_norm"]], rel=2e-2)


def test_gradients_are_the_official_ones(phase: Phase) -> None:
    """Batch normalisation over two samples amplifies rounding, so they agree to a part of the largest only."""
    step = phase[0][0]
    ours = {f"grad_{name}": gradient.flatten()[:32] for name, gradient in step.gradients.items()}
    ours["Dgrad0"] = step.discriminators[0].first_gradient
    compared = [name for name in step.arrays if name.startswith("grad_") or name == "Dgrad0"]
    assert len(compared) >= 4
    for name in compared:
        scale = step.arrays[name].abs().max().item()
        torch.testing.assert_close(ours[name], step.arrays[name], atol=2e-2 * scale, rtol=0, msg=name)


def test_updated_weights_are_the_official_ones(phase: Phase) -> None:
    """Adam moves a weight by the learning rate whatever its gradient: signs of the smallest may differ."""
    for step in phase[0]:
        ours = {f"param_{name}": parameter.flatten()[:32] for name, parameter in step.parameters.items()}
        ours["Dparam0"] = step.discriminators[0].first_weight
        for name in (name for name in step.arrays if name.startswith("param_") or name == "Dparam0"):
            difference = (ours[name] - step.arrays[name]).abs()
            assert difference.max() <= 4 * SCHEDULE.learning_rate, name
            assert difference.median() < SCHEDULE.learning_rate / 10, name


def test_batch_statistics_are_gathered_in_the_official_order(phase: Phase) -> None:
    step = phase[0][0]
    ours = step.discriminators[0].running_mean
    torch.testing.assert_close(ours, step.arrays["D_running_mean_first"], atol=1e-5, rtol=1e-4)


def test_the_fusion_warm_up_moves_the_fusion_alone(warm_up: Phase) -> None:
    steps, changed = warm_up
    assert changed == {"f_concat", "f_block", "f_HR_conv0", "f_HR_conv1"}
    assert all(len(step.gradients) == step.official["n_G_tensors_with_grad"] == 36 for step in steps)


def test_after_the_warm_up_everything_moves(full: Phase) -> None:
    steps, _ = full
    fixed_kernels = 2
    assert all(len(step.gradients) + fixed_kernels == step.official["n_G_tensors_with_grad"] for step in steps)
