"""The two self-supervised tasks as something to train: a loss on patches that is a function of (seed, step)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor, nn

from spsr.models import build
from spsr.models.nse import CHANNELS, STRIDE
from spsr.training import distributed
from spsr.training.extraction import contrastive, jigsaw
from spsr.training.extraction.cells import INPUTS, Sampling, gather
from spsr.training.seeding import Stream, random_generator

Extract = Callable[[Tensor], Tensor]
"""Images N x 3 x H x W in [0, 1] to features N x C x h x w."""


class Pretext(Protocol):
    """A task that shows whether features hold structure.

    Attributes:
        name: as probes and schedules call it.
    """

    @property
    def name(self) -> str: ...

    def head(self) -> nn.Module:
        """A fresh network that solves the task from the features."""

    def draw(self, patches: int, size: tuple[int, int], seed: int, step: int) -> dict[str, Tensor]:
        """What is random in a step on `patches` patches of `size` pixels, by name; of several processes a share."""

    def loss(self, extract: Extract, head: nn.Module, images: Tensor, drawn: Mapping[str, Tensor]) -> Tensor:
        """Mean loss over patches N x 3 x H x W in [0, 1], with what `draw` gave, on their device."""

    def solved(self, extract: Extract, head: nn.Module, images: Tensor, seed: int, batch: int, repeats: int) -> Tensor:
        """Whether each patch of a test batch is solved in each repeat, N x repeats booleans."""


@dataclass(frozen=True)
class Contrastive:
    """Contrastive prediction, eq. 11-12.

    Attributes:
        sampling: the positions of the inputs.
        anchors: anchors on each patch; the paper draws 1. They share the features, so that more are nearly free.
    """

    sampling: Sampling
    anchors: int = 1
    name = "contrastive"

    def head(self) -> nn.Module:
        """The predictor P."""
        return build("predictor", vectors=len(INPUTS[self.sampling]))

    def draw(self, patches: int, size: tuple[int, int], seed: int, step: int) -> dict[str, Tensor]:
        """Anchors at random places."""
        generator, cells = random_generator(seed, Stream.PRETEXT, step), (size[0] // STRIDE, size[1] // STRIDE)
        everyones = patches * distributed.world()
        drawn = contrastive.draw_anchors(generator, everyones, self.anchors, cells, self.sampling)
        return {"anchors": _share(drawn, patches)}

    def loss(self, extract: Extract, head: nn.Module, images: Tensor, drawn: Mapping[str, Tensor]) -> Tensor:
        """Eq. 11 at the anchors."""
        return contrastive.info_nce(extract(images).float(), drawn["anchors"], self.sampling, head)

    def solved(self, extract: Extract, head: nn.Module, images: Tensor, seed: int, batch: int, repeats: int) -> Tensor:
        """Whether the prediction is nearest to its anchor; each repeat draws an anchor on each patch."""
        features = extract(images)
        anchors = contrastive.draw_anchors(
            random_generator(seed, Stream.PRETEXT, batch),
            len(images),
            repeats,
            (features.shape[-2], features.shape[-1]),
            self.sampling,
        )
        return contrastive.top1(features, anchors.to(images.device), self.sampling, head)


@dataclass(frozen=True)
class Jigsaw:
    """Jigsaw puzzles, eq. 13.

    Attributes:
        puzzles: puzzles on each patch; the paper draws 1. They share the features, so that more are nearly free.
        channels: of the features.
        windows: cut the four windows out and see each alone, for networks with a larger receptive field. The
            puzzles of a patch are then orders of the same four windows.
    """

    puzzles: int = 1
    channels: int = CHANNELS
    windows: bool = False
    name = "jigsaw"

    def head(self) -> nn.Module:
        """The classifier J."""
        return build("jigsaw_head", channels=self.channels)

    def vectors(self, extract: Extract, images: Tensor, grids: Tensor) -> Tensor:
        """Features of the cells of grids N x G x 4 x 2, N x G x 4 x C."""
        if self.windows:
            return jigsaw.window_vectors(extract, images, grids).float()
        return gather(extract(images).float(), grids)

    def draw(self, patches: int, size: tuple[int, int], seed: int, step: int) -> dict[str, Tensor]:
        """Grids at random places, and the labels of their orders."""
        generator, everyones = random_generator(seed, Stream.PRETEXT, step), patches * distributed.world()
        count = 1 if self.windows else self.puzzles
        grids = jigsaw.draw_grids(generator, everyones, min(size) // STRIDE, count)
        labels = jigsaw.draw_labels(generator, everyones, self.puzzles)
        return {"grids": _share(grids, patches), "labels": _share(labels, patches)}

    def loss(self, extract: Extract, head: nn.Module, images: Tensor, drawn: Mapping[str, Tensor]) -> Tensor:
        """Eq. 13 with the grids in their random orders."""
        vectors = self.vectors(extract, images, drawn["grids"])
        return jigsaw.jigsaw_loss(vectors.expand(-1, self.puzzles, -1, -1), drawn["labels"], head)

    def solved(self, extract: Extract, head: nn.Module, images: Tensor, seed: int, batch: int, repeats: int) -> Tensor:
        """Whether the order of the grid near the centre is told; each repeat draws another order."""
        grids = jigsaw.central_grids(len(images), min(images.shape[-2:]) // STRIDE).to(images.device)
        vectors = self.vectors(extract, images, grids).expand(-1, repeats, -1, -1)
        labels = jigsaw.draw_labels(random_generator(seed, Stream.PRETEXT, batch), len(images), repeats)
        return jigsaw.correct(vectors, labels.to(images.device), head)


def _share(drawn: Tensor, patches: int) -> Tensor:
    """This process's share of what was drawn for the whole batch."""
    start = patches * distributed.rank()
    return drawn[start : start + patches]
