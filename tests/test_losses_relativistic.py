"""The relativistic average GAN against the official code, and its properties."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from spsr.losses.relativistic import discriminator_loss, generator_loss

Logits = dict[str, torch.Tensor]


@pytest.fixture
def official(golden: Path) -> Logits:
    with np.load(golden / "ragan.npz") as file:
        return {name: torch.from_numpy(file[name]) for name in file.files}


def test_discriminator_loss_and_its_gradients_are_the_official_ones(official: Logits) -> None:
    real, fake = official["real_logits"].requires_grad_(), official["fake_logits"].requires_grad_()
    loss = discriminator_loss(real, fake)
    loss.backward()
    torch.testing.assert_close(loss, official["d_total"].to(loss.dtype), atol=1e-6, rtol=0)
    torch.testing.assert_close(real.grad, official["d_dreal"], atol=1e-6, rtol=0)
    torch.testing.assert_close(fake.grad, official["d_dfake"], atol=1e-6, rtol=0)


def test_generator_loss_and_its_gradient_are_the_official_ones(official: Logits) -> None:
    real, fake = official["real_logits"].requires_grad_(), official["fake_logits"].requires_grad_()
    loss = generator_loss(real, fake)
    loss.backward()
    torch.testing.assert_close(loss, official["g_total"].to(loss.dtype), atol=1e-6, rtol=0)
    torch.testing.assert_close(fake.grad, official["g_dfake"], atol=1e-6, rtol=0)
    assert real.grad is None


@given(st.integers(0, 1000), st.integers(1, 8), st.floats(-20, 20))
def test_losses_depend_on_differences_of_logits_only(seed: int, samples: int, shift: float) -> None:
    real, fake = torch.randn(2, samples, 1, generator=torch.Generator().manual_seed(seed))
    for loss in (discriminator_loss, generator_loss):
        torch.testing.assert_close(loss(real + shift, fake + shift), loss(real, fake), atol=1e-4, rtol=1e-4)


@given(st.integers(0, 1000), st.integers(1, 8))
def test_the_generator_wants_what_the_discriminator_does_not(seed: int, samples: int) -> None:
    real, fake = torch.randn(2, samples, 1, generator=torch.Generator().manual_seed(seed))
    torch.testing.assert_close(generator_loss(real, fake), discriminator_loss(fake, real))


def test_losses_are_computed_in_32_bits_under_autocast() -> None:
    real, fake = (torch.randn(16, 1, dtype=torch.bfloat16) for _ in range(2))
    with torch.autocast("cpu", torch.bfloat16):
        losses = discriminator_loss(real, fake), generator_loss(real, fake)
    for loss, function in zip(losses, (discriminator_loss, generator_loss), strict=True):
        assert loss.dtype == torch.float32
        torch.testing.assert_close(loss, function(real.float(), fake.float()))
