"""Jigsaw puzzles: the order in which the features of a 2x2 grid were laid out (Section 4.2, eq. 13)."""

from collections.abc import Callable
from functools import cache
from itertools import permutations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from spsr.errors import InputError
from spsr.models.nse import RECEPTIVE_FIELD, STRIDE
from spsr.training.extraction.cells import MARGIN, OFFSET, anchor_range

PERMUTATIONS = tuple(permutations(range(4)))
"""Label k is the k-th in lexicographic order: place q of the layout holds grid cell `PERMUTATIONS[k][q]`."""

GRID = ((0, 0), (0, OFFSET), (OFFSET, 0), (OFFSET, OFFSET))


def start_range(cells: int) -> range:
    """Positions of the grid's first cell along a side; 4 to 9 for the 21 cells of an 84-pixel patch.

    Raises:
        InputError: the side is too small for the grid.
    """
    starts = range(MARGIN, anchor_range(cells, 0).stop - OFFSET)
    if not starts:
        side = STRIDE * (2 * MARGIN + OFFSET)
        raise InputError(f"patch: {STRIDE * cells} pixels are too few for a 2x2 grid; use patches of {side} or more")
    return starts


def draw_grids(randomness: np.random.Generator, patches: int, cells: int, count: int = 1) -> Tensor:
    """`count` 2x2 grids at random places of each map of `cells` x `cells`: N x G x 4 x 2 rows and columns."""
    starts = start_range(cells)
    corners = randomness.integers(starts.start, starts.stop, (patches, count, 1, 2))
    return torch.from_numpy(corners + np.array(GRID))


def central_grids(patches: int, cells: int) -> Tensor:
    """The grid at the fixed place of the tests, nearest to the centre; 6 of 21: N x 1 x 4 x 2."""
    starts = start_range(cells)
    corner = (starts.start + starts[-1]) // 2
    return (corner + torch.tensor(GRID)).expand(patches, 1, -1, -1)


def draw_labels(randomness: np.random.Generator, patches: int, count: int = 1) -> Tensor:
    """Labels of random permutations: N x G integers of 0 to 23."""
    return torch.from_numpy(randomness.integers(len(PERMUTATIONS), size=(patches, count)))


def window_vectors(extractor: Callable[[Tensor], Tensor], images: Tensor, grids: Tensor) -> Tensor:
    """Features of the grids' windows cut out and seen one by one: N x 3 x H x W and N x G x 4 x 2 to N x G x 4 x C.

    For networks whose receptive field is larger than the distance of the windows (VGG19, ResNet18): cut out,
    they hold the same 31x31 pixels as a cell of the NSE and share none. The map of a window is averaged.
    """
    first = STRIDE * grids.flatten(1, 2) - RECEPTIVE_FIELD // 2
    span = torch.arange(RECEPTIVE_FIELD, device=grids.device)
    rows = (first[..., 0, None] + span)[:, :, None, :, None]
    columns = (first[..., 1, None] + span)[:, :, None, None, :]
    image = torch.arange(len(images), device=grids.device)[:, None, None, None, None]
    channel = torch.arange(3, device=grids.device)[None, None, :, None, None]
    windows = images[image, channel, rows, columns]
    return extractor(windows.flatten(0, 1)).mean((2, 3)).unflatten(0, grids.shape[:3])


def scores(vectors: Tensor, labels: Tensor, head: nn.Module) -> Tensor:
    """Scores of the permutations, N·G x 24, for vectors N x G x 4 x C laid out as the labels N x G say."""
    order = _permutations(vectors.device)[labels]
    return head(vectors.gather(2, order.unsqueeze(-1).expand_as(vectors)).flatten(0, 1))


@cache
def _permutations(device: torch.device) -> Tensor:
    return torch.tensor(PERMUTATIONS, device=device)


def jigsaw_loss(vectors: Tensor, labels: Tensor, head: nn.Module) -> Tensor:
    """Eq. 13: mean cross-entropy of the permutations."""
    return functional.cross_entropy(scores(vectors, labels, head), labels.flatten())


def correct(vectors: Tensor, labels: Tensor, head: nn.Module) -> Tensor:
    """Whether the permutation with the highest score is the one laid out: N x G booleans."""
    return scores(vectors, labels, head).argmax(1).view_as(labels) == labels
