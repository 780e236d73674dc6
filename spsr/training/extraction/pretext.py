"""The two self-supervised tasks as something to train: a loss on patches that is a function of (seed, step)."""

from collections.abc import Callable
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

    def loss(self, extract: Extract, head: nn.Module, images: Tensor, seed: int, step: int) -> Tensor:
        """Mean loss over patches N x 3 x H x W in [0, 1]; of several processes each has its share of the batch."""

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

    def loss(self, extract: Extract, head: nn.Module, images: Tensor, seed: int, step: int) -> Tensor:
        """Eq. 11 at random anchors."""
        cells = images.shape[-2] // STRIDE, images.shape[-1] // STRIDE
        patches = len(images) * distributed.world()
        drawn = contrastive.draw_anchors(
            random_generator(seed, Stream.PRETEXT, step), patches, self.anchors, cells, self.sampling
        )
        anchors = _share(drawn, images)
        return contrastive.info_nce(extract(images).float(), anchors, self.sampling, head)

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

    def loss(self, extract: Extract, head: nn.Module, images: Tensor, seed: int, step: int) -> Tensor:
        """Eq. 13 with the grids at random places and in random orders."""
        generator, patches = random_generator(seed, Stream.PRETEXT, step), len(images) * distributed.world()
        count = 1 if self.windows else self.puzzles
        grids = jigsaw.draw_grids(generator, patches, min(images.shape[-2:]) // STRIDE, count)
        labels = _share(jigsaw.draw_labels(generator, patches, self.puzzles), images)
        vectors = self.vectors(extract, images, _share(grids, images))
        return jigsaw.jigsaw_loss(vectors.expand(-1, self.puzzles, -1, -1), labels, head)

    def solved(self, extract: Extract, head: nn.Module, images: Tensor, seed: int, batch: int, repeats: int) -> Tensor:
        """Whether the order of the grid near the centre is told; each repeat draws another order."""
        grids = jigsaw.central_grids(len(images), min(images.shape[-2:]) // STRIDE).to(images.device)
        vectors = self.vectors(extract, images, grids).expand(-1, repeats, -1, -1)
        labels = jigsaw.draw_labels(random_generator(seed, Stream.PRETEXT, batch), len(images), repeats)
        return jigsaw.correct(vectors, labels.to(images.device), head)


def _share(drawn: Tensor, images: Tensor) -> Tensor:
    """This process's share of what was drawn for the whole batch, on the device of the images."""
    start = len(images) * distributed.rank()
    mine = drawn[start : start + len(images)]
    return mine.pin_memory().to(images.device, non_blocking=True) if images.is_cuda else mine
