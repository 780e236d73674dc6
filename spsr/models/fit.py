"""Whether tensors fit a network, before it takes them."""

from collections.abc import Mapping

from torch import Tensor, nn

from spsr.errors import InputError, naming


def check_fit(network: nn.Module, state: Mapping[str, Tensor], names: Mapping[str, str] | None = None) -> None:
    """Refuse missing, left-over, misshapen and non-finite tensors.

    Args:
        network: what is to take the tensors.
        state: tensors under the network's keys.
        names: the network's keys to those of the file, for the message; None where they are equal.

    Raises:
        InputError: naming the first tensor that does not fit; the caller names the file.
    """
    expected, names = network.state_dict(), names or {}
    for key, value in expected.items():
        shown = names.get(key, key)
        if key not in state:
            raise InputError(f"'{shown}' is missing; the file is not complete")
        if state[key].shape != value.shape:
            shapes = f"{list(state[key].shape)}, where {list(value.shape)} is needed"
            raise InputError(f"'{shown}' has shape {shapes}; the file mixes networks of different size")
        if not state[key].isfinite().all():
            raise InputError(f"'{shown}' holds values that are not finite; get another checkpoint")
    for key in state:
        if key not in expected:
            raise InputError(f"'{key}' does not belong to this network; take it out")


def load_strictly(network: nn.Module, state: Mapping[str, Tensor], place: str) -> None:
    """Load a state dict that fits; `InputError`, with the place, for any other. Counts of batches may be absent."""
    counts = {key: value for key, value in network.state_dict().items() if key.endswith("num_batches_tracked")}
    with naming(place):
        check_fit(network, counts | dict(state))
    network.load_state_dict(counts | dict(state))
