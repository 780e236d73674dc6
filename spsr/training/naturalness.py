"""Training of NatSR's natural manifold discriminator (Soh et al. 2019, Section 3) on distortions that get weaker."""

from functools import lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from spsr.config import Config, Schedule
from spsr.config.settings import NATURALNESS, Naturalness
from spsr.data.inputs import input_hashes
from spsr.data.pack import Pack, open_pack, without
from spsr.errors import InputError
from spsr.models import build
from spsr.models.bicubic import enlarge
from spsr.training import distributed
from spsr.training.optimiser import adam, set_learning_rate
from spsr.training.patches import PatchSampler
from spsr.training.process import set_up
from spsr.training.seeding import Stream, random_generator, seeded
from spsr.training.step_cost import step_flops
from spsr.training.task import Training

DCT_BLOCK = 8
SIGMA, SIGMA_FACTOR = 0.1, 0.8
ALPHA, ALPHA_STEP, ALPHA_MOST = 0.5, 0.1, 0.9
ENOUGH = 0.95
"""Accuracy on the validation patches at which a distortion becomes weaker."""
AVERAGED = 10
"""Validations over which the accuracy is averaged; before the first they count as 0."""
HELD_OUT = 10
"""One image in so many is kept for validation, and at least one."""


@lru_cache(maxsize=1)
def _cosines() -> NDArray[np.float64]:
    """The orthonormal 8x8 matrix of the discrete cosine transform (type II)."""
    frequency, position = np.mgrid[0:DCT_BLOCK, 0:DCT_BLOCK]
    matrix = np.cos(np.pi * (2 * position + 1) * frequency / (2 * DCT_BLOCK)) * np.sqrt(2 / DCT_BLOCK)
    matrix[0] /= np.sqrt(2)
    return matrix


def dct_noise(images: Tensor, sigma: float, random: np.random.Generator) -> Tensor:
    """Add noise of standard deviation `sigma` to the highest frequencies of every 8x8 block.

    Those are the coefficients of the last row and the last column of a block's cosine transform.

    Args:
        images: N×3×H×W, sides multiples of 8.
    """
    n, channels, height, width = images.shape
    noise = random.standard_normal(
        (n, channels, height // DCT_BLOCK, width // DCT_BLOCK, DCT_BLOCK, DCT_BLOCK), dtype=np.float32
    )
    noise[..., :-1, :-1] = 0
    basis = torch.from_numpy(_cosines()).to(images)
    blocks = basis.T @ torch.from_numpy(noise).to(images) @ basis
    return images + sigma * blocks.permute(0, 1, 2, 4, 3, 5).reshape(images.shape)


def blend(images: Tensor, lr: Tensor, alpha: float) -> Tensor:
    """`alpha` of the originals and the rest of their bicubic interpolations from LR patches N×3×h×w."""
    return alpha * images + (1 - alpha) * enlarge(lr)


class NaturalnessTask:
    """A discriminator that tells originals from distorted images, and the strengths of the distortions.

    Half of a batch are originals, a quarter has noise in its high frequencies (`dct_noise`), a quarter is blended with
    its bicubic interpolation (`blend`). Every `settings.validate_every` steps the accuracy on fixed patches of held-out
    images is taken for each distortion against originals; where its mean over ten validations is 95 % or more, that
    distortion becomes weaker: the noise by a factor of 0.8, the share of the original by 0.1 more, up to 0.9. (The
    authors' code asks for exactly 95 % of the second, which the text does not. They also keep only patches with strong
    gradients; here all are drawn.)

    Args:
        network: images N×3×H×W to logits N×1.
        sampler, validation: draw training and held-out patches; batches are multiples of 4 and of 2.
        seed: of the run; the noise depends on (seed, step).
    """

    def __init__(
        self,
        network: nn.Module,
        sampler: PatchSampler,
        validation: PatchSampler,
        schedule: Schedule,
        settings: Naturalness,
        seed: int,
        *,
        flops_per_step: int | None = None,
    ) -> None:
        self.model = network.train()
        self.optimiser = adam(network.parameters())
        self.flops_per_step = flops_per_step
        self.sigma, self.alpha = SIGMA, ALPHA
        self._accuracies = {"noise": [0.0] * AVERAGED, "blend": [0.0] * AVERAGED}
        self._sampler, self._validation = sampler, validation
        self._schedule, self._settings, self._seed = schedule, settings, seed

    def step(self, step: int) -> dict[str, Tensor]:
        """The 0-based optimisation step. A step that validates waits for the device."""
        set_learning_rate(self.optimiser, self._schedule.learning_rate_at(step))
        batch = self._sampler.draw(step)
        noisy, blended = len(batch.hr) // 4, len(batch.hr) // 2
        random = random_generator(self._seed, Stream.DISTORTION, step, distributed.rank())
        images = torch.cat(
            [
                dct_noise(batch.hr[:noisy], self.sigma, random),
                blend(batch.hr[noisy:blended], batch.lr[noisy:blended], self.alpha),
                batch.hr[blended:],
            ]
        )
        labels = torch.zeros(len(images), 1, device=images.device)
        labels[blended:] = 1
        loss = binary_cross_entropy_with_logits(self.model(images).float(), labels)
        self.optimiser.zero_grad()
        loss.backward()
        self.optimiser.step()
        logged = {"naturalness": loss.detach()}
        if (step + 1) % self._settings.validate_every == 0:
            logged |= self._validate()
        return logged | {"sigma": loss.new_tensor(self.sigma), "alpha": loss.new_tensor(self.alpha)}

    @torch.no_grad()
    def _validate(self) -> dict[str, Tensor]:
        """Accuracies against originals, and weaker distortions where they are high enough."""
        batch = self._validation.draw(0, rank=0, world=1)
        half = len(batch.hr) // 2
        distorted = {
            "noise": dct_noise(batch.hr[:half], self.sigma, random_generator(self._seed, Stream.HELD_OUT_DISTORTION)),
            "blend": blend(batch.hr[:half], batch.lr[:half], self.alpha),
        }
        natural = (self.model(batch.hr[half:]) > 0).float().mean()
        logged = {}
        for name, images in distorted.items():
            accuracy = (natural + (self.model(images) <= 0).float().mean()) / 2
            self._accuracies[name] = [*self._accuracies[name][1:], float(accuracy)]
            logged[f"accuracy/{name}"] = accuracy
        if np.mean(self._accuracies["noise"]) >= ENOUGH:
            self.sigma *= SIGMA_FACTOR
        if np.mean(self._accuracies["blend"]) >= ENOUGH:
            self.alpha = min(self.alpha + ALPHA_STEP, ALPHA_MOST)
        return logged

    def batch_names(self, step: int) -> list[str]:
        """Names of the images that a step draws on."""
        return self._sampler.image_names(step)

    def state_dict(self) -> dict[str, Any]:
        """Network, optimiser, and where the distortions and their accuracies stand."""
        return {
            "network": self.model.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "sigma": self.sigma,
            "alpha": self.alpha,
            "accuracies": {name: list(values) for name, values in self._accuracies.items()},
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from `state_dict`."""
        self.model.load_state_dict(state["network"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.sigma, self.alpha = state["sigma"], state["alpha"]
        self._accuracies = {name: list(values) for name, values in state["accuracies"].items()}


def naturalness_training(config: Config, seed: int) -> Training:
    """The training of the naturalness discriminator on this preset's images.

    Raises:
        InputError: no packed training images.
    """

    def fresh_task() -> NaturalnessTask:
        device = set_up(config.preset.compute, seed)
        return naturalness_task(config, open_pack(config.layout.training_pack), seed, device)

    return Training(config.training_settings(NATURALNESS, seed), input_hashes(config, NATURALNESS), fresh_task)


def naturalness_task(config: Config, pack: Pack, seed: int, device: torch.device) -> NaturalnessTask:
    """The training of a fresh discriminator; every tenth training image is held out for its validation.

    Raises:
        InputError: there is but one image, or the schedule's batch or patch do not fit.
    """
    schedule, settings = config.schedule("naturalness"), config.preset.naturalness
    if schedule.batch % 4 or schedule.patch % 16 or settings.validation_patches % 2:
        raise InputError(
            f"{config.path}: naturalness: batch {schedule.batch}, patch {schedule.patch} and "
            f"{settings.validation_patches} validation patches must be multiples of 4, 16 and 2"
        )
    if len(pack.names) < 2:
        raise InputError(f"{config.path}: naturalness: one image leaves none for validation; give more training images")
    held_out = frozenset(range(0, len(pack.names), HELD_OUT))
    kept = frozenset(range(len(pack.names))) - held_out
    tiling = config.preset.data.tiling
    with seeded(seed, NATURALNESS):
        network = build(NATURALNESS, **config.size(NATURALNESS))
    training, validation = (
        PatchSampler(without(pack, skipped), schedule.patch, batch, seed, tiling, device=device)
        for skipped, batch in ((held_out, schedule.batch), (kept, settings.validation_patches))
    )
    flops = schedule.batch * step_flops(config, NATURALNESS)
    return NaturalnessTask(network.to(device), training, validation, schedule, settings, seed, flops_per_step=flops)
