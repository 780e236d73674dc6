"""Jigsaw puzzles: the order in which the features of a 2x2 grid were laid out (Section 4.2, eq. 13)."""

from collections.abc import Callable
from itertools import permutations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from spsr.errors import InputError
from spsr.models.nse import RECEPTIVE_FIELD, STRIDE
from spsr.training.cells import MARGIN, OFFSET, anchor_range, gather

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


def draw_grids(randomness: np.random.Generator, patches: int, cells: int) -> Tensor:
    """A 2x2 grid at a random place of each map of `cells` x `cells`: N x 4 x 2 rows and columns."""
    starts = start_range(cells)
    corners = randomness.integers(starts.start, starts.stop, (patches, 1, 2))
    return torch.from_numpy(corners + np.array(GRID))


def central_grids(patches: int, cells: int) -> Tensor:
    """The grid at the fixed place of the tests, nearest to the centre; 6 of 21: N x 4 x 2."""
    starts = start_range(cells)
    corner = (starts.start + starts[-1]) // 2
    return (corner + torch.tensor(GRID)).expand(patches, -1, -1)


def draw_labels(randomness: np.random.Generator, patches: int) -> Tensor:
    """Labels of random permutations: N integers of 0 to 23."""
    return torch.from_numpy(randomness.integers(len(PERMUTATIONS), size=patches))


def cell_vectors(features: Tensor, grids: Tensor) -> Tensor:
    """Features of the grid's cells from a map: N x C x H x W and N x 4 x 2 to N x 4 x C."""
    return gather(features, grids)


def window_vectors(extractor: Callable[[Tensor], Tensor], images: Tensor, grids: Tensor) -> Tensor:
    """Features of the grid's windows cut out and seen one by one, N x 3 x H x W and N x 4 x 2 to N x 4 x C.

    For networks whose receptive field is larger than the distance of the windows (VGG19, ResNet18): cut out,
    they hold the same 31x31 pixels as a cell of the NSE and share none. The map of a window is averaged.
    """
    first = STRIDE * grids - RECEPTIVE_FIELD // 2
    span = torch.arange(RECEPTIVE_FIELD, device=grids.device)
    rows = (first[..., 0, None] + span)[:, :, None, :, None]
    columns = (first[..., 1, None] + span)[:, :, None, None, :]
    image = torch.arange(len(images), device=grids.device)[:, None, None, None, None]
    channel = torch.arange(3, device=grids.device)[None, None, :, None, None]
    windows = images[image, channel, rows, columns]
    return extractor(windows.flatten(0, 1)).mean((2, 3)).unflatten(0, windows.shape[:2])


def scores(vectors: Tensor, labels: Tensor, head: nn.Module) -> Tensor:
    """N x 24 scores of the permutations for vectors N x 4 x C that are laid out as `labels` say."""
    order = torch.tensor(PERMUTATIONS, device=vectors.device)[labels]
    return head(vectors.gather(1, order.unsqueeze(-1).expand_as(vectors)))


def jigsaw_loss(vectors: Tensor, labels: Tensor, head: nn.Module) -> Tensor:
    """Eq. 13: mean cross-entropy over patches of the permutation."""
    return functional.cross_entropy(scores(vectors, labels, head), labels)


def correct(vectors: Tensor, labels: Tensor, head: nn.Module) -> Tensor:
    """Whether the permutation with the highest score is the one laid out: N booleans."""
    return scores(vectors, labels, head).argmax(1) == labels
