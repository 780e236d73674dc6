"""Looking at a generator while it trains: its mean PSNR on a benchmark, every so many steps.

The weights do not depend on it, and neither does `events.jsonl`: what is found stands in the ledger.
"""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from torch import nn

from spsr.config import Config
from spsr.data.benchmark import require
from spsr.images import RGB, image_index, read_rgb
from spsr.metrics import psnr
from spsr.models.inference import inferring, super_resolve, to_input


@dataclass(frozen=True)
class ValidationSet:
    """The images that a training is looked at with.

    Attributes:
        benchmark: their name.
        every: steps between two looks; the last step is always one.
        files: LR and HR images of the same pictures.
    """

    benchmark: str
    every: int
    files: tuple[tuple[Path, Path], ...]

    @cached_property
    def pairs(self) -> list[tuple[RGB, RGB]]:
        """The images, uint8 h×w×3 and 4h×4w×3; read when they are first needed."""
        return [(read_rgb(lr), read_rgb(hr)) for lr, hr in self.files]

    def is_due(self, step: int, iterations: int) -> bool:
        """Whether to look after `step` steps."""
        return step % self.every == 0 or step == iterations

    def measure(self, generator: nn.Module) -> dict[str, float]:
        """`BENCHMARK/psnr` in dB, as the tables' protocol has it; the generator is left as it was."""
        with inferring(generator):
            values = [psnr(super_resolve(generator, to_input(lr, generator)), hr) for lr, hr in self.pairs]
        return {f"{self.benchmark}/psnr": float(np.mean(values))}


def validation_of(config: Config) -> ValidationSet | None:
    """The validation that the preset asks for, if any.

    Raises:
        InputError: its benchmark is not prepared.
    """
    declared = config.preset.validation
    if declared is None:
        return None
    folder = config.layout.benchmark(declared.benchmark)
    require(folder, f"run `spsr prepare {declared.benchmark} --configfile {config.path}`, for the validation")
    small = image_index(folder / "LR")
    files = tuple((small[name], original) for name, original in image_index(folder / "HR").items())
    return ValidationSet(declared.benchmark, declared.every, files)
