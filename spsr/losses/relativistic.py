"""The relativistic average GAN with binary cross-entropy, in fp32 whatever the precision around it.

Eqs. 5, 6, 8, 9 and 15 of the paper are written as the plain GAN; its text says that the relativistic average
form of ESRGAN is used, and so does the official code. With C the logits, D_Ra(x, y) = sigmoid(C(x) - mean C(y)).
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import softplus

Mean = Callable[[Tensor], Tensor]


def _cross_entropy(logits: Tensor, label: bool) -> Tensor:
    return softplus(-logits if label else logits).mean()


def discriminator_loss(real: Tensor, fake: Tensor, mean: Mean = torch.mean) -> Tensor:
    """½ [BCE(real - mean(fake), 1) + BCE(fake - mean(real), 0)] of logits N×1; both carry gradient.

    `mean` is the average over all samples of the step, where they are spread over several processes.
    """
    real, fake = real.float(), fake.float()
    return (_cross_entropy(real - mean(fake), True) + _cross_entropy(fake - mean(real), False)) / 2


def generator_loss(real: Tensor, fake: Tensor, mean: Mean = torch.mean) -> Tensor:
    """½ [BCE(real - mean(fake), 0) + BCE(fake - mean(real), 1)] of logits N×1; `real` carries no gradient."""
    real, fake = real.detach().float(), fake.float()
    return (_cross_entropy(real - mean(fake), False) + _cross_entropy(fake - mean(real), True)) / 2
