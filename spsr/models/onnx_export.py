"""Writing a network as ONNX for images of any size, and comparing it with PyTorch before it is kept."""

import importlib
import logging
import warnings
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

import torch
from torch import Tensor, nn

from spsr.errors import InputError, RunFailed
from spsr.files import atomic_path
from spsr.models.inference import inferring
from spsr.models.networks import architecture
from spsr.models.segmentation import CATEGORIES

CHECKED_SIZES = ((24, 32), (17, 40), (48, 21))
"""Height and width in LR pixels of the images on which the file is compared with PyTorch."""

TOLERANCE = 1e-4
"""Of pixels in [0, 1]."""


def export_onnx(network: nn.Module, out: Path, card: Mapping[str, str]) -> float:
    """Write `network` as ONNX with any height and width; the file is there only if it gives the same images.

    The input is `lr`, `1 x 3 x h x w` in [0, 1] (SFTGAN: and `maps`, `1 x 8 x 4h x 4w`); the outputs are `sr` and, of
    SPSR, `gradient`.

    Args:
        network: on the CPU.
        out: ends in `.onnx`.
        card: what is known of the weights, which goes into the file.

    Returns:
        The largest difference from PyTorch of any output on `CHECKED_SIZES`.

    Raises:
        InputError: a wrong suffix, or a package of `spsr[onnx]` is missing.
        RunFailed: the file differs from PyTorch by more than `TOLERANCE`.
    """
    if out.suffix != ".onnx":
        raise InputError(f"an ONNX file ends in .onnx, not in '{out.suffix}'; rename --out")
    runtime = _import("onnxruntime")
    _import("onnxscript")
    inputs = _inputs(network, *CHECKED_SIZES[0])
    with inferring(network), warnings.catch_warnings(action="ignore"):
        logging.getLogger("torch.onnx").setLevel(logging.ERROR)
        outputs = network(*inputs)
        any_size = {2: torch.export.Dim.AUTO, 3: torch.export.Dim.AUTO}
        try:
            program = torch.onnx.export(
                network,
                inputs,
                input_names=["lr", "maps"][: len(inputs)],
                output_names=["sr"] if isinstance(outputs, Tensor) else ["sr", "gradient"],
                dynamic_shapes=tuple(any_size for _ in inputs),
                dynamo=True,
                verbose=False,
            )
        except torch.onnx.errors.OnnxExporterError as error:
            name = architecture(network)[0]
            raise InputError(f"network '{name}': PyTorch cannot write it as ONNX; export its weights") from error
    assert program is not None
    program.model.metadata_props.update(card)
    with atomic_path(out) as temporary:
        program.save(temporary)
        session = runtime.InferenceSession(str(temporary), providers=["CPUExecutionProvider"])
        largest = max(_difference(network, session, size) for size in CHECKED_SIZES)
        if not largest <= TOLERANCE:
            raise RunFailed(f"{out}: ONNX differs from PyTorch by {largest:.2g}, more than {TOLERANCE:g}; not written")
    return largest


def _inputs(network: nn.Module, height: int, width: int) -> tuple[Tensor, ...]:
    random = torch.Generator().manual_seed(height * width)
    lr = torch.rand(1, 3, height, width, generator=random)
    if architecture(network)[0] != "sftgan":
        return (lr,)
    return lr, torch.rand(1, len(CATEGORIES), 4 * height, 4 * width, generator=random).softmax(dim=1)


def _difference(network: nn.Module, session: object, size: tuple[int, int]) -> float:
    inputs = _inputs(network, *size)
    with inferring(network):
        expected = network(*inputs)
    expected = [expected] if isinstance(expected, Tensor) else list(expected)
    named = dict(zip(("lr", "maps"), (each.numpy() for each in inputs), strict=False))
    found = session.run(None, named)  # type: ignore[attr-defined]
    return max(float((a - torch.from_numpy(b)).abs().max()) for a, b in zip(expected, found, strict=True))


def _import(package: str) -> ModuleType:
    try:
        return importlib.import_module(package)
    except ImportError as error:
        raise InputError(f"--onnx needs the package {package}; install it with pip install 'spsr[onnx]'") from error
