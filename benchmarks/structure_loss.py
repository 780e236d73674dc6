"""How much the terms of SPSR-P weigh: value and gradient of each, with both readings of the pixelwise structure loss.

    python benchmarks/structure_loss.py model.safetensors folder/with/images [--generator weights.pth]

Eq. 14 is an L1 norm without a normalisation; with its weight of 1e-7 a sum over the features and a mean differ by
their number (32,768 for a patch of 128 pixels). The terms are computed as the paper's preset trains with them, on
patches of the images' centres and of their bicubic enlargement, and of what a generator makes of them if one is given.
The discriminator of the structure features is trained on these pairs first, so that its gradient is that of a training
under way. The gradient is that with respect to the super-resolved image; its share is that of the sum of all terms'
norms. The perceptual weights are those of the quick preset, with their scale: the paper's cannot always be fetched.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from spsr.config import CONFIGS, Config, load
from spsr.data import weights
from spsr.images import RGB, bicubic, crop_to_multiple, degrade, image_index, read_rgb
from spsr.losses import Objective
from spsr.models import from_checkpoint
from spsr.models.flops import forward_backward_flops, forward_flops
from spsr.training.frozen import FrozenNetworks, load_nse, load_vgg19
from spsr.training.objective import build_objective
from spsr.training.step_cost import step_flops

PATCH = 128


def configuration() -> Config:
    """The paper's preset with the perceptual weights of the quick one."""
    paper, quick = load(CONFIGS / "paper.yaml"), load(CONFIGS / "quick.yaml")
    return replace(paper, preset=paper.preset.model_copy(update={"perceptual": quick.preset.perceptual}))


def stacked(images: list[RGB]) -> Tensor:
    """Images H x W x 3 as N x 3 x H x W in [0, 1]."""
    return torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).float() / 255


def patches(folder: Path, count: int) -> tuple[Tensor, Tensor, Tensor]:
    """LR, HR and bicubic patches from the centres of a folder's images, N x 3 x h x w in [0, 1]."""
    cut: list[tuple[RGB, RGB, RGB]] = []
    for file in list(image_index(folder).values())[:count]:
        hr = crop_to_multiple(read_rgb(file))
        top, left = ((length - PATCH) // 8 * 4 for length in hr.shape[:2])
        large = slice(top, top + PATCH), slice(left, left + PATCH)
        small = slice(top // 4, (top + PATCH) // 4), slice(left // 4, (left + PATCH) // 4)
        cut.append((degrade(hr)[small], hr[large], bicubic(hr)[large]))
    lr, hr_patches, enlarged = zip(*cut, strict=True)
    return stacked(list(lr)), stacked(list(hr_patches)), stacked(list(enlarged))


def terms(objective: Objective, hr: Tensor, sr: Tensor) -> pd.DataFrame:
    """Value, weighted value and norm of the weighted gradient of each term."""
    rows = []
    for loss in objective.losses:
        if loss.term.view == "branch":
            continue
        fake = sr.clone().requires_grad_(True)
        measured = loss(objective.views(hr, fake))
        (gradient,) = torch.autograd.grad(loss.weight * measured.loss, fake)
        value = float(measured.loss.detach())
        norm = float(gradient.norm())
        rows.append((loss.term.name, value, loss.weight * value, norm))
    return pd.DataFrame(rows, columns=["term", "value", "weighted", "gradient"])


def measure(config: Config, extractor: nn.Module, hr: Tensor, sr: Tensor, steps: int) -> pd.DataFrame:
    """The terms of SPSR-P for both readings of the structure loss."""
    frozen = FrozenNetworks(load_vgg19(weights.path(config.preset.perceptual.weights)), extractor)
    objective = build_objective(config, "spsr_p", 0, frozen, share_forward=False)
    for adversarial in objective.adversarial:
        adversarial.optimiser.set_learning_rate(1e-4)
    for _ in range(steps):
        for adversarial in objective.adversarial:
            adversarial.discriminator_step(adversarial.discriminator_loss(objective.views(hr, sr)).loss)
    found = []
    for reading in ("sum", "mean"):
        table = terms(objective, hr, sr)
        if reading != config.preset.recipe.structure_reduction:
            elements = 32 * (PATCH // 4) ** 2
            structure = table["term"] == "pixel/structure", ["value", "weighted", "gradient"]
            table.loc[structure] *= elements if reading == "sum" else 1 / elements
        table.insert(0, "reading", reading)
        found.append(table.assign(share=table["gradient"] / table["gradient"].sum()))
    return pd.concat(found)


def cost_share(config: Config, extractor: nn.Module) -> str:
    """The extractor's part of the counted operations of a step of SPSR-P, in words."""
    shape = (1, 3, PATCH, PATCH)
    own = forward_flops(extractor, shape) + forward_backward_flops(extractor, shape, input_gradient=True)
    step = step_flops(config, "spsr_p")
    return f"F: {own / 1e9:.2f} of {step / 1e9:.1f} GFLOP per sample of a step of SPSR-P ({own / step:.2%})"


def main() -> None:
    """Measure and print a table as csv."""
    parser = argparse.ArgumentParser(description="Weight of the terms of SPSR-P.")
    parser.add_argument("extractor", type=Path, help="model.safetensors of `spsr pretrain`")
    parser.add_argument("images", type=Path, help="a folder of images")
    parser.add_argument("--count", type=int, default=15)
    parser.add_argument("--discriminator-steps", type=int, default=40)
    parser.add_argument("--generator", type=Path, help="a checkpoint of a x4 generator")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    config = configuration()
    extractor = load_nse(arguments.extractor).eval().requires_grad_(False)
    lr, hr, enlarged = patches(arguments.images, arguments.count)
    images = {"bicubic": enlarged}
    if arguments.generator is not None:
        with torch.no_grad():
            output = from_checkpoint(arguments.generator)(lr)
        images[arguments.generator.stem] = output[0] if isinstance(output, tuple) else output
    tables = []
    for name, sr in images.items():
        table = measure(config, extractor, hr, sr, arguments.discriminator_steps)
        table.insert(0, "sr", name)
        tables.append(table)
    print(pd.concat(tables).to_csv(index=False, float_format="%.4g"), end="")
    print(cost_share(config, extractor))


if __name__ == "__main__":
    main()
