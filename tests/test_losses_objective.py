"""Views, comparisons and the training step around them: what is shared, grouped, reduced and kept in 32 bits."""

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from spsr.config import Compute, Recipe, Schedule, Term, load
from spsr.losses import AdversarialLoss, Objective, PerceptualLoss, PixelLoss, StructureLoss, Views, pixel_loss
from spsr.losses.relativistic import discriminator_loss
from spsr.models import build
from spsr.models.discriminator import VggDiscriminator
from spsr.training.objective import discriminator
from spsr.training.optimiser import adam
from spsr.training.super_resolution import SuperResolutionTask


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


class Counting(nn.Module):
    """A frozen convolution that remembers whether it was asked for a gradient."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.features = nn.Conv2d(3, 4, 3, stride=2, padding=1)
        self.requires_grad_(False)
        self.passes: list[bool] = []

    def forward(self, images: Tensor) -> Tensor:
        self.passes.append(torch.is_grad_enabled())
        return self.features(images)


def adversarial(view: Any, channels: int = 3, size: int = 16, **options: Any) -> AdversarialLoss:
    torch.manual_seed(1)
    network = VggDiscriminator(channels, size, channels=4)
    return AdversarialLoss(Term("adversarial", view, 0.1), network, adam(network.parameters()), **options)


def test_a_view_is_computed_once_and_that_of_the_original_without_gradient() -> None:
    extractor = Counting()
    views = Views(noise(2, 3, 16, 16), noise(2, 3, 16, 16, seed=1).requires_grad_(), extractor=extractor)
    for _ in range(3):
        fake, real = views.pair("structure")
    assert sorted(extractor.passes) == [False, True]
    assert fake.requires_grad
    assert not real.requires_grad
    assert views.features("fake", extractor) is fake


@pytest.mark.parametrize(("padding", "side"), [(1, 16), (2, 18)])
def test_the_recipe_pads_gradient_losses_and_never_the_branch(padding: int, side: int) -> None:
    branch = noise(2, 3, 16, 16, seed=2)
    views = Views(noise(2, 3, 16, 16), noise(2, 3, 16, 16, seed=1), branch, gradient_padding=padding)
    assert views.view("real", "gradient").shape[-1] == side
    assert views.view("real", "branch").shape[-1] == 16
    assert views.view("fake", "branch") is branch


def test_the_recipe_chooses_the_distance_of_gradient_maps_only() -> None:
    views = Views(noise(2, 3, 16, 16), noise(2, 3, 16, 16, seed=1))
    fake, real = views.pair("gradient")
    expected = {"official": (fake - real).square().mean(), "paper": (fake - real).abs().mean()}
    for name, value in expected.items():
        recipe = Recipe.model_validate(name)
        torch.testing.assert_close(pixel_loss(Term("pixel", "gradient", 1.0), recipe)(views).loss, value)
        image = pixel_loss(Term("pixel", "image", 1.0), recipe)(views).loss
        torch.testing.assert_close(image, (noise(2, 3, 16, 16, seed=1) - noise(2, 3, 16, 16)).abs().mean())


@given(st.integers(1, 4), st.integers(1, 8), st.integers(1, 6), st.sampled_from(["sum", "mean"]))
@settings(deadline=None, max_examples=25)
def test_structure_loss_logs_both_readings_and_minimises_the_chosen(
    samples: int, channels: int, side: int, reduction: str
) -> None:
    class Features(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.mean(1, keepdim=True).expand(-1, channels, -1, -1)

    hr, sr = noise(samples, 3, side, side), noise(samples, 3, side, side, seed=1)
    views = Views(hr, sr, extractor=Features())
    measured = StructureLoss(Term("pixel", "structure", 1e-7), reduction)(views)
    difference = (Features()(hr) - Features()(sr)).abs()
    readings = {"sum": difference.flatten(1).sum(1).mean(), "mean": difference.mean()}
    for name, value in readings.items():
        torch.testing.assert_close(measured.logged[f"pixel/structure/{name}"], value, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(measured.loss, readings[reduction], rtol=1e-4, atol=1e-6)


def test_equal_images_have_no_pixel_and_perceptual_loss() -> None:
    image = noise(2, 3, 16, 16)
    extractor = Counting()
    views = Views(image, image.clone(), image.clone(), extractor=extractor)
    losses: list[Any] = [
        PixelLoss(Term("pixel", "image", 1.0)),
        StructureLoss(Term("pixel", "structure", 1.0), "sum"),
        PerceptualLoss(Term("perceptual", "image", 1.0), extractor),
    ]
    assert [loss(views).loss.item() for loss in losses] == [0, 0, 0]


def test_normalisation_works_within_a_replica_and_relativistic_means_over_all() -> None:
    whole, grouped = adversarial("image"), adversarial("image", replicas=2)
    real, fake = noise(6, 3, 16, 16), 2 * noise(6, 3, 16, 16, seed=1)
    views = Views(real, fake)
    logits = [torch.cat([grouped.discriminator(half) for half in side.chunk(2)]) for side in (real, fake)]
    expected = discriminator_loss(*logits)
    torch.testing.assert_close(grouped.discriminator_loss(views).loss, expected)
    assert not torch.isclose(whole.discriminator_loss(views).loss, expected, rtol=1e-4)


class Patches:
    """Random patches that depend on the step."""

    def __init__(self, samples: int = 2) -> None:
        self.samples = samples

    def plan(self, step: int) -> dict[str, Tensor]:
        lr, hr = noise(self.samples, 3, 8, 8, seed=2 * step), noise(self.samples, 3, 32, 32, seed=2 * step + 1)
        return {"lr": lr, "hr": hr}

    def cut(self, plan: dict[str, Tensor]) -> dict[str, Tensor]:
        return plan

    def image_names(self, step: int) -> list[str]:
        return [""]


SCHEDULE = Schedule(iterations=10, batch=2, patch=32, learning_rate=1e-3, milestones=(2,))


def small_task(share_forward: bool = True, compute: Compute | None = None) -> SuperResolutionTask:
    torch.manual_seed(0)
    generator = build("spsr", features=4, blocks=4, growth=4)
    recipe = Recipe.model_validate("official")
    objective = Objective(
        [
            pixel_loss(Term("pixel", "image", 0.01), recipe),
            pixel_loss(Term("pixel", "gradient", 0.01), recipe),
            pixel_loss(Term("pixel", "branch", 0.5), recipe),
            adversarial("image", size=32, share_forward=share_forward),
            adversarial("gradient", size=32, share_forward=share_forward),
        ],
        gradient_padding=2,
    )
    return SuperResolutionTask(generator, objective, Patches(), SCHEDULE, fusion_warmup=1, compute=compute)


def test_shared_forward_passes_change_no_loss_and_no_gradient() -> None:
    shared, separate = small_task(share_forward=True), small_task(share_forward=False)
    ours, theirs = shared.step(1), separate.step(1)
    assert {name: value.item() for name, value in ours.items()} == {n: v.item() for n, v in theirs.items()}
    networks = [
        (shared.model, separate.model),
        *(
            (one.discriminator, other.discriminator)
            for one, other in zip(shared.objective.adversarial, separate.objective.adversarial, strict=True)
        ),
    ]
    for one, other in networks:
        for (name, mine), yours in zip(one.named_parameters(), other.parameters(), strict=True):
            torch.testing.assert_close(mine.grad, yours.grad, rtol=1e-4, atol=1e-6, msg=name)


def test_every_optimiser_follows_the_schedule() -> None:
    task = small_task()
    for step in range(4):
        task.step(step)
        rates = {float(group.rate) for optimiser in task.optimisers() for group in optimiser._groups}
        assert rates == {SCHEDULE.learning_rate_at(step)}


def test_a_task_goes_on_from_its_state_with_the_same_bits() -> None:
    whole, first, second = small_task(), small_task(), small_task()
    for step in range(4):
        expected = whole.step(step)
    for step in range(2):
        first.step(step)
    second.load_state_dict(first.state_dict())
    for step in range(2, 4):
        found = second.step(step)
    assert {name: value.item() for name, value in found.items()} == {n: v.item() for n, v in expected.items()}
    assert all(map(torch.equal, second.model.parameters(), whole.model.parameters()))


def test_bfloat16_stays_near_32_bits_and_its_losses_are_summed_in_32() -> None:
    reference, half = small_task(), small_task(compute=Compute(precision="bf16"))
    ours, theirs = half.step(0), reference.step(0)
    for name, value in ours.items():
        assert value.dtype == torch.float32, name
        torch.testing.assert_close(value, theirs[name], rtol=0.1, atol=0.05, msg=name)
    assert all(p.dtype == torch.float32 for p in half.model.parameters())


@pytest.mark.parametrize(
    ("method", "view", "parameters"),
    [
        ("spsr_g", "image", 14_502_281),
        ("spsr_g", "gradient", 14_502_281),
        ("spsr_p", "structure", 2_175_689),
    ],
)
def test_discriminators_have_the_published_sizes(method: str, view: str, parameters: int) -> None:
    config = load("configs/paper.yaml")
    with torch.device("meta"):
        network = discriminator(config, method, view)
    assert sum(p.numel() for p in network.parameters()) == parameters


@pytest.mark.parametrize(("method", "channels"), [("spsr_vgg", 512), ("spsr_resnet", 256)])
def test_discriminators_of_small_feature_maps_take_them(method: str, channels: int) -> None:
    with torch.device("meta"):
        network = discriminator(load("configs/paper.yaml"), method, "structure")
        assert network(torch.empty(2, channels, 8, 8)).shape == (2, 1)
