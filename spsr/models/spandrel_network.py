"""Networks of some 40 other architectures, which the library `spandrel` recognises and builds."""

import warnings
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from spsr.errors import InputError
from spsr.metrics.torchvision_ops import import_torchvision


class SpandrelNetwork(nn.Module):
    """A x4 network of `spandrel`: `N x 3 x h x w` in [0, 1] to `N x 3 x 4h x 4w`, clipped to [0, 1].

    Images are padded to what the network needs and the result is cut again. It carries `architecture` (`spandrel/DAT`)
    and `size` as networks of `spsr.models.build` do.

    Args:
        descriptor: what `spandrel` loaded.
    """

    def __init__(self, descriptor: Any) -> None:
        super().__init__()
        self.network: nn.Module = descriptor.model
        self._descriptor = descriptor
        vars(self)["architecture"] = f"spandrel/{descriptor.architecture.id}"
        vars(self)["size"] = {"scale": descriptor.scale, "tags": tuple(descriptor.tags)}

    def forward(self, lr: Tensor) -> Tensor:
        # Some networks change their input in place.
        result: Tensor = self._descriptor(lr.clone())
        return result


def load_spandrel(state: Mapping[str, Tensor]) -> SpandrelNetwork | None:
    """The network of a state dict; None if `spandrel` does not know it, or is not installed.

    Raises:
        InputError: it is a network for something else than x4 super-resolution of RGB images, or its file is damaged.
    """
    try:
        import_torchvision()
        import spandrel
    except ImportError:
        return None
    try:
        with torch.random.fork_rng(devices=[]), warnings.catch_warnings(action="ignore"):
            descriptor = spandrel.MAIN_REGISTRY.load(dict(state))
    except spandrel.UnsupportedModelError:
        return None
    except (
        Exception
    ) as error:  # whatever the code of one of its architectures raises at keys or shapes it did not expect
        said = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        raise InputError(f"spandrel finds a network that it cannot build ({said}); get the file again") from error
    kind = f"{descriptor.architecture.name} (by spandrel)"
    channels = (descriptor.input_channels, descriptor.output_channels)
    if descriptor.purpose != "SR" or descriptor.scale != 4 or channels != (3, 3):
        raise InputError(
            f"{kind} is for {descriptor.purpose} x{descriptor.scale} from {channels[0]} to {channels[1]} channels; "
            "only x4 super-resolution of RGB images is known here"
        )
    return SpandrelNetwork(descriptor)
