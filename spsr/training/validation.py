"""Looking at a generator while it trains: its mean PSNR on a benchmark, every so many steps.

The weights do not depend on it, and neither does `events.jsonl`: what is found stands in the ledger.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from spsr.config import Config
from spsr.errors import InputError
from spsr.images import RGB, image_index, read_rgb
from spsr.metrics import psnr
from spsr.resize import to_uint8


@dataclass(frozen=True)
class Validation:
    """The images that a training is looked at with.

    Attributes:
        benchmark: their name.
        every: steps between two looks; the last step is always one.
        pairs: LR and HR images, uint8 h×w×3 and 4h×4w×3.
    """

    benchmark: str
    every: int
    pairs: tuple[tuple[RGB, RGB], ...]

    def is_due(self, step: int, iterations: int) -> bool:
        """Whether to look after `step` steps."""
        return step % self.every == 0 or step == iterations

    def measure(self, generator: nn.Module) -> dict[str, float]:
        """`BENCHMARK/psnr` in dB, as the tables' protocol has it; the generator is left as it was."""
        mode = generator.training
        generator.eval()
        try:
            with torch.inference_mode():
                values = [psnr(_upscale(generator, lr), hr) for lr, hr in self.pairs]
        finally:
            generator.train(mode)
        return {f"{self.benchmark}/psnr": float(np.mean(values))}


def validation_of(config: Config) -> Validation | None:
    """The validation that the preset asks for, if any.

    Raises:
        InputError: its benchmark is not prepared.
    """
    declared = config.preset.validation
    if declared is None:
        return None
    folder = config.layout.benchmark(declared.benchmark)
    if not config.layout.passport(declared.benchmark).is_file():
        raise InputError(
            f"{folder}: the benchmark for validation is not prepared; "
            f"run `spsr prepare {declared.benchmark} --configfile {config.path}`"
        )
    small = image_index(folder / "LR")
    pairs = tuple((read_rgb(small[name]), read_rgb(file)) for name, file in image_index(folder / "HR").items())
    return Validation(declared.benchmark, declared.every, pairs)


def _upscale(generator: nn.Module, lr: RGB) -> RGB:
    parameter = next(generator.parameters())
    image = torch.from_numpy(lr).permute(2, 0, 1)[None].to(parameter.device, torch.float32) / 255
    output = generator(image)
    sr: Tensor = output[0] if isinstance(output, tuple) else output
    return to_uint8(255 * sr[0].clamp(0, 1).permute(1, 2, 0).float().cpu().numpy())
