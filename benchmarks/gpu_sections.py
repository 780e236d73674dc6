"""What is measured on a GPU: each section gives rows, of which all that came before an error are kept."""

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from gpu_bench import FP32, VARIANTS, Bench, Row, paced
from gpu_training import against_plain, compiled, correctness, steps, together
from safetensors.torch import save_file
from torch import nn

from spsr.evaluation.upscale import upscale_image
from spsr.images import RGB
from spsr.metrics.lpips import Lpips
from spsr.models import build
from spsr.models.device import device_name
from spsr.training.ledger import measured_tflops
from spsr.training.process import set_up


@dataclass(frozen=True)
class Section:
    """Rows of one kind.

    Attributes:
        share: of the time, relative to that of the others.
        measure: gives them.
    """

    share: float
    measure: Callable[[Bench], Iterator[Row]]


def describe(bench: Bench) -> Iterator[Row]:
    """The device."""
    device = set_up(FP32, 0)
    if device.type != "cuda":
        yield {"gpu": False, "name": "cpu"}
        return
    free, total = torch.cuda.mem_get_info(device)
    capability = ".".join(map(str, torch.cuda.get_device_capability(device)))
    memory = {"memory_gib": total / 2**30, "free_gib": free / 2**30}
    libraries = {"capability": capability, "cuda": torch.version.cuda, "cudnn": torch.backends.cudnn.version()}
    yield {"gpu": True, "name": device_name(device)} | memory | libraries


def ceilings(bench: Bench) -> Iterator[Row]:
    """TFLOP/s of a matrix product in each arithmetic, and GB/s of a copy."""
    device = set_up(FP32, 0)
    for name in ("fp32", "tf32", "bf16"):
        compute = VARIANTS[name]
        reached = measured_tflops(device, compute.precision, compute.tf32, bench.product_side)
        yield {"what": f"product {name}", "tflops": reached}
    source = torch.ones(2**20 if bench.small else 2**30, device=device)
    target = torch.empty_like(source)
    seconds = paced(bench, lambda _: target.copy_(source), device)
    yield {"what": "copy", "gb_per_s": 2 * source.numel() * source.element_size() / seconds / 1e9}


def upscaling(bench: Bench) -> Iterator[Row]:
    """Megapixels of SR image a second, from the LR image to uint8."""
    device, config = set_up(FP32, 0), bench.config
    random = np.random.default_rng(0)
    for name in ("spsr_g",) if bench.small else ("spsr_g", "esrgan", "edsr_p", "srgan"):
        generator = config.method(name).generator
        assert generator is not None
        network = build(generator.name, **config.generator_size(name)).to(device).eval()
        for side in (32,) if bench.small else (128, 510):
            image = random.integers(0, 256, (side, side, 3), dtype=np.uint8)
            seconds = paced(bench, partial(_upscaled, network, image), device)
            yield {
                "network": generator.name,
                "lr": side,
                "ms": 1000 * seconds,
                "mp_per_s": 16 * side**2 / seconds / 1e6,
            }


def _upscaled(network: nn.Module, image: RGB, _: int) -> RGB:
    return upscale_image(network, image)


def lpips(bench: Bench) -> Iterator[Row]:
    """Pairs of images that LPIPS compares a second, on an AlexNet with random weights."""
    set_up(FP32, 0)
    sizes = {0: (64, 3, 11), 3: (192, 64, 5), 6: (384, 192, 3), 8: (256, 384, 3), 10: (256, 256, 3)}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "alexnet.safetensors"
        state = {f"features.{i}.weight": torch.randn(o, n, k, k) / 50 for i, (o, n, k) in sizes.items()}
        save_file(state | {f"features.{i}.bias": torch.zeros(o) for i, (o, _, _) in sizes.items()}, file)
        distance = Lpips("alex", file)
    random = np.random.default_rng(0)
    for side in (64,) if bench.small else (512, 2040):
        pair = [random.integers(0, 256, (side, side, 3), dtype=np.uint8) for _ in range(2)]
        seconds = paced(bench, partial(_compared, distance, pair), torch.device("cpu"))
        yield {"side": side, "ms": 1000 * seconds, "mp_per_s": side**2 / seconds / 1e6}


def _compared(distance: Lpips, pair: list[RGB], _: int) -> float:
    return distance(*pair)


SECTIONS = {
    "device": Section(0, describe),
    "ceilings": Section(20, ceilings),
    "correctness": Section(60, correctness),
    "steps": Section(190, steps),
    "against_plain": Section(80, against_plain),
    "together": Section(70, together),
    "upscaling": Section(30, upscaling),
    "lpips": Section(20, lpips),
    "compiled": Section(60, compiled),
}
