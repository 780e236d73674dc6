"""Starting a generator from a trained one."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from spsr.errors import InputError
from spsr.models.sftgan import is_conditional

SHARED = "sr_branch."
FUSION = "fusion."
LAST = ("to_rgb.weight", "to_rgb.bias")


def start_from_interpolation(generator: nn.Module) -> None:
    """Start a fresh generator as an enlargement, by its own method of this name; one that has none stays as it is.

    Raises:
        InputError: it has too few features for three colours.
    """
    start = getattr(generator, "start_from_interpolation", None)
    if start is not None:
        start()


def initialise_from(generator: nn.Module, source: Mapping[str, Tensor], *, keep_last: bool = False) -> None:
    """Copy the layers that `generator` shares with a trained network, in place.

    The same architecture takes all tensors. SFTGAN takes all of SRResNet's and keeps its own transforms. SPSR takes
    the whole RRDB network but its last convolution (700 of 702 tensors at 23 blocks), as the official code does with
    `RRDB_PSNR_x4`.

    Args:
        generator: the network to start.
        source: a state dict with our keys (`from_checkpoint(path).state_dict()`).
        keep_last: the generator has started from interpolation, so that SPSR hands the features through to the end
            of its fusion: it takes the RRDB network's last convolution there, to begin with nearly the same image.

    Raises:
        InputError: any other difference in keys or shapes, naming the first.
    """
    target = generator.state_dict()
    if source.keys() in (target.keys(), {key for key in target if not is_conditional(key)}):
        places = {key: key for key in source}
    else:
        places = {key: key for key in target if key.startswith(SHARED)}
        wrong = sorted(source.keys() ^ {*places, *LAST})
        if not places or wrong:
            raise InputError(
                f"initial weights: '{(wrong or sorted(source))[0]}' does not fit this generator; start from a network "
                "of the same kind and size, SPSR from an RRDB network, or SFTGAN from SRResNet"
            )
        if keep_last:
            places |= {key: f"{FUSION}{key}" for key in LAST}
    for key, place in places.items():
        if source[key].shape != target[place].shape:
            raise InputError(
                f"initial weights: '{key}' has shape {list(source[key].shape)}, the generator needs "
                f"{list(target[place].shape)}; give both networks the same sizes"
            )
    with torch.no_grad():
        for key, place in places.items():
            target[place].copy_(source[key])
