"""Training of NatSR's natural manifold discriminator (Soh et al. 2019, Section 3) on distortions that get weaker."""

from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from spsr.config import Compute, Config, Schedule
from spsr.config.settings import NATURALNESS, Naturalness
from spsr.data.inputs import input_hashes
from spsr.data.pack import Pack, open_pack, without
from spsr.errors import InputError
from spsr.models import build
from spsr.training import distributed
from spsr.training.distortions import blend, dct_noise, draw_coefficients
from spsr.training.optimiser import adam
from spsr.training.patches import KINDS, PatchSampler
from spsr.training.process import autocast, memory_format, placed, set_up
from spsr.training.seeding import Stream, random_generator, seeded
from spsr.training.step_cost import step_flops
from spsr.training.task import StepPlan, Task, Training
from spsr.training.upload import sent
from spsr.training.working_weights import working_weights

SIGMA, SIGMA_FACTOR = 0.1, 0.8
ALPHA, ALPHA_STEP, ALPHA_MOST = 0.5, 0.1, 0.9
ENOUGH = 0.95
"""Accuracy on the validation patches at which a distortion becomes weaker."""
AVERAGED = 10
"""Validations over which the accuracy is averaged; before the first they count as 0."""
HELD_OUT = 10
"""One image in so many is kept for validation, and at least one."""


class NaturalnessTask(Task):
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
        compute: Compute | None = None,
        flops_per_step: int | None = None,
    ) -> None:
        compute, device = compute or Compute(), sampler.device
        self.model = network.train()
        self.optimiser = adam(network.parameters(), working=working_weights(network, compute))
        self.flops_per_step = flops_per_step
        self._sigma, self._alpha = (
            torch.full((), start, dtype=torch.float64, device=device) for start in (SIGMA, ALPHA)
        )
        self._accuracies = {
            name: torch.zeros(AVERAGED, dtype=torch.float64, device=device) for name in ("noise", "blend")
        }
        self._sampler, self._validation = sampler, validation
        self._schedule, self._settings, self._seed = schedule, settings, seed
        self._compute = compute
        self._memory_format = memory_format(compute)
        self._forward = torch.compile(network) if compute.compile else network

    @property
    def sigma(self) -> float:
        """Standard deviation of the noise; waits for the device."""
        return float(self._sigma)

    @property
    def alpha(self) -> float:
        """Share of the original in a blend; waits for the device."""
        return float(self._alpha)

    def prepare(self, step: int) -> StepPlan:
        """The host's part of a step: learning rate, patches and noise, and whether it validates."""
        self.optimiser.set_learning_rate(self._schedule.learning_rate_at(step))
        numbers, side = self._sampler.plan(step), self._sampler.patch
        random = random_generator(self._seed, Stream.DISTORTION, step, distributed.rank())
        drawn = draw_coefficients(len(numbers["hr"]) // 4, side, side, random)
        validates = (step + 1) % self._settings.validate_every == 0
        held_out = self._held_out if validates else {}
        return StepPlan(validates, numbers | {"noise": sent(drawn, self._sampler.device)} | held_out)

    @cached_property
    def _held_out(self) -> dict[str, Tensor]:
        """Places of the validation patches, and their noise; the same at every validation."""
        held_out = {f"held out {kind}": places for kind, places in self._validation.plan(0, rank=0, world=1).items()}
        random, side = random_generator(self._seed, Stream.HELD_OUT_DISTORTION), self._validation.patch
        drawn = draw_coefficients(len(held_out["held out hr"]) // 2, side, side, random)
        return held_out | {"held out noise": sent(drawn, self._validation.device)}

    def advance(self, plan: StepPlan) -> dict[str, Tensor]:
        """The device's part of a step."""
        patches = self._sampler.cut(plan.numbers)
        lr, hr = patches["lr"], patches["hr"]
        noisy, blended = len(hr) // 4, len(hr) // 2
        images = torch.cat(
            [
                dct_noise(hr[:noisy], self._sigma, plan.numbers["noise"]),
                blend(hr[noisy:blended], lr[noisy:blended], self._alpha),
                hr[blended:],
            ]
        )
        labels = torch.zeros(len(images), 1, device=images.device)
        labels[blended:].fill_(1)
        with self.optimiser.working():
            loss = binary_cross_entropy_with_logits(self._logits(images), labels)
        self.optimiser.zero_grad()
        loss.backward()
        self.optimiser.step()
        logged = {"naturalness": loss.detach()}
        if plan.phase:
            logged |= self._validate(plan)
        return logged | {"sigma": self._sigma.float(), "alpha": self._alpha.float()}

    def _logits(self, images: Tensor) -> Tensor:
        with autocast(images.device, self._compute):
            logits: Tensor = self._forward(images.contiguous(memory_format=self._memory_format))
        return logits.float()

    @torch.no_grad()
    def _validate(self, plan: StepPlan) -> dict[str, Tensor]:
        """Accuracies against originals, and weaker distortions where they are high enough."""
        patches = self._validation.cut({kind: plan.numbers[f"held out {kind}"] for kind in KINDS})
        lr, hr = patches["lr"], patches["hr"]
        half = len(hr) // 2
        distorted = {
            "noise": dct_noise(hr[:half], self._sigma, plan.numbers["held out noise"]),
            "blend": blend(hr[:half], lr[:half], self._alpha),
        }
        natural = (self._logits(hr[half:]) > 0).float().mean()
        logged = {}
        for name, images in distorted.items():
            accuracy = (natural + (self._logits(images) <= 0).float().mean()) / 2
            self._accuracies[name].copy_(torch.cat([self._accuracies[name][1:], accuracy.double().view(1)]))
            logged[f"accuracy/{name}"] = accuracy
        enough = {name: accuracies.mean() >= ENOUGH for name, accuracies in self._accuracies.items()}
        self._sigma.copy_(torch.where(enough["noise"], self._sigma * SIGMA_FACTOR, self._sigma))
        weaker = (self._alpha + ALPHA_STEP).clamp(max=ALPHA_MOST)
        self._alpha.copy_(torch.where(enough["blend"], weaker, self._alpha))
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
            "accuracies": {name: values.tolist() for name, values in self._accuracies.items()},
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from `state_dict`."""
        self.model.load_state_dict(state["network"])
        self.optimiser.load_state_dict(state["optimiser"])
        self._sigma.fill_(state["sigma"])
        self._alpha.fill_(state["alpha"])
        for name, accuracies in self._accuracies.items():
            accuracies.copy_(torch.tensor(state["accuracies"][name], dtype=torch.float64))


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
        InputError: there is but one image.
    """
    schedule, settings = config.schedule("naturalness"), config.preset.naturalness
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
    compute = config.preset.compute
    network = placed(network, device, compute)
    return NaturalnessTask(
        network, training, validation, schedule, settings, seed, compute=compute, flops_per_step=flops
    )
