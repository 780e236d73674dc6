"""From the host to the device without waiting for either."""

import torch
from torch import Tensor


def sent(tensor: Tensor, device: torch.device | str) -> Tensor:
    """A host tensor on a device; on its way to a GPU, which takes it before whatever is asked of it next."""
    if torch.device(device).type != "cuda":
        return tensor.to(device)
    return tensor.pin_memory().to(device, non_blocking=True)
