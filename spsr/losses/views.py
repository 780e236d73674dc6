"""Views of an image pair: the image, its gradient map, its structure features, the gradient branch's output.

A view is computed when a term first asks for it, and once a step.
"""

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor, nn

from spsr.models.gradient import gradient_map

Side = Literal["real", "fake"]


class Views:
    """The views of one batch of super-resolved images and their originals.

    Everything of the original is detached. Gradient maps are computed in fp32.

    Args:
        hr: originals, N×3×H×W in [0, 1].
        sr, branch: see `generated`; none until that is called.
        gradient_padding: zero padding of the `gradient` view: 1 keeps the size, 2 adds two pixels.
        extractor: the frozen structure extractor F of the `structure` view.
    """

    def __init__(
        self,
        hr: Tensor,
        sr: Tensor | None = None,
        branch: Tensor | None = None,
        *,
        gradient_padding: int = 1,
        extractor: nn.Module | None = None,
    ) -> None:
        self._images: dict[Side, Tensor] = {"real": hr}
        self._branch: Tensor | None = None
        self._gradient_padding = gradient_padding
        self._extractor = extractor
        self._computed: dict[tuple[Side, object], Tensor] = {}
        if sr is not None:
            self.generated(sr, branch)

    def generated(self, sr: Tensor, branch: Tensor | None = None) -> None:
        """Add the other side.

        Args:
            sr: generated images, N×3×H×W.
            branch: the gradient branch's prediction of the gradient map of `hr`, N×3×H×W; none without a branch.
        """
        self._images["fake"], self._branch = sr, branch

    @property
    def images(self) -> tuple[Tensor, ...]:
        """The originals and the generated images."""
        return tuple(self._images.values())

    def view(self, side: Side, name: str) -> Tensor:
        """A view by its name in the configuration."""
        if name == "image":
            return self._images[side]
        if name == "gradient":
            return self._gradient(side, self._gradient_padding)
        if name == "structure" and self._extractor is not None:
            return self.features(side, self._extractor)
        if name == "branch" and side == "real":
            return self._gradient(side, 1)
        if name == "branch" and self._branch is not None:
            return self._branch
        raise ValueError(f"view '{name}' needs a network that this objective was not given")

    def pair(self, name: str) -> tuple[Tensor, Tensor]:
        """A view of the generated image and of the original."""
        return self.view("fake", name), self.view("real", name)

    def features(self, side: Side, network: nn.Module) -> Tensor:
        """Features of the image under a frozen `network`; terms with the same network share them."""
        return self._once(side, network, network)

    def derived(self, side: Side, function: Callable[[Tensor], Tensor]) -> Tensor:
        """What a `function` tells of the image; terms with the same function share it."""
        return self._once(side, function, function)

    def _gradient(self, side: Side, padding: int) -> Tensor:
        return self._once(side, padding, lambda image: gradient_map(image, padding))

    def _once(self, side: Side, key: object, compute: Callable[[Tensor], Tensor]) -> Tensor:
        if (side, key) not in self._computed:
            with torch.set_grad_enabled(side == "fake" and torch.is_grad_enabled()):
                self._computed[side, key] = compute(self._images[side])
        return self._computed[side, key]
