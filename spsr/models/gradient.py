"""The gradient operator M of the paper (eq. 2)."""

import torch
from torch import Tensor
from torch.nn import functional


def gradient_map(image: Tensor, padding: int = 1) -> Tensor:
    """Gradient magnitude of every channel (eq. 2): `sqrt(v^2 + h^2 + 1e-6)`.

    `v` and `h` are the central differences `I(y+1, x) - I(y-1, x)` and `I(y, x+1) - I(y, x-1)`, without a
    factor 1/2. Outside the image is zero, so the border carries large values, as in the official code.

    Args:
        image: `N x C x H x W`, any range; half precision is computed in 32 bits (also under autocast).
        padding: 1 keeps the size (input and target of the gradient branch); 2 gives
            `N x C x (H+2) x (W+2)`, as the gradient losses of the official code have it.

    Returns:
        The map, never below 1e-3.
    """
    if image.dtype in (torch.float16, torch.bfloat16):
        image = image.float()
    padded = functional.pad(image, (padding, padding, padding, padding))
    vertical = padded[..., 2:, 1:-1] - padded[..., :-2, 1:-1]
    horizontal = padded[..., 1:-1, 2:] - padded[..., 1:-1, :-2]
    return torch.sqrt(vertical.square() + horizontal.square() + 1e-6)
