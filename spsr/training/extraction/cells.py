"""Cells of a structure feature map, and which of them see the same pixels (Section 4.2, Fig. 13).

Cell (i, j) of the NSE's map sees the window of 31x31 pixels around pixel (4i, 4j). Windows of cells that are at
most 7 apart in both directions share pixels; from 8 on they do not.
"""

from functools import cache
from typing import Literal

import torch
from torch import Tensor

from spsr.errors import InputError
from spsr.models.nse import RECEPTIVE_FIELD, STRIDE

OFFSET = -(-RECEPTIVE_FIELD // STRIDE)
"""Distance of neighbouring cells in a sampling: the smallest, 8, at which windows share no pixel."""
MARGIN = -(-(RECEPTIVE_FIELD // 2) // STRIDE)
"""Index of the first cell, 4, whose window lies inside the image; that of the last is N - 4 of N."""

Sampling = Literal["h", "v", "c"]

INPUTS: dict[Sampling, tuple[tuple[int, int], ...]] = {
    "h": ((0, -OFFSET), (0, OFFSET)),
    "v": ((-OFFSET, 0), (OFFSET, 0)),
    "c": ((0, -OFFSET), (0, OFFSET), (-OFFSET, 0), (OFFSET, 0)),
}
"""Rows and columns of the input cells relative to the anchor: horizontal, vertical, crossing."""


def anchor_range(cells: int, offset: int) -> range:
    """Positions of anchors along a side of `cells` cells when inputs lie `offset` to both sides (0: none do).

    Anchor and inputs are cells whose windows lie inside the image, so that zero padding is no cue.
    """
    return range(MARGIN + offset, cells - MARGIN - offset + 1)


def legal_anchors(height: int, width: int, sampling: Sampling) -> tuple[range, range]:
    """Rows and columns of the anchors that a map of `height` x `width` cells allows.

    Raises:
        InputError: the map is too small for any.
    """
    rows = anchor_range(height, max(row for row, _ in INPUTS[sampling]))
    columns = anchor_range(width, max(column for _, column in INPUTS[sampling]))
    if not rows or not columns:
        side = STRIDE * (2 * MARGIN + 2 * OFFSET)
        raise InputError(
            f"patch: {STRIDE * height}x{STRIDE * width} pixels leave no place for the {sampling} sampling; "
            f"use patches of {side} or more"
        )
    return rows, columns


def input_cells(anchors: Tensor, sampling: Sampling) -> Tensor:
    """Input cells of each anchor: ... x 2 (row, column) to ... x M x 2; M is 2, or 4 for the crossing."""
    return anchors.unsqueeze(-2) + _offsets(sampling, anchors.device)


@cache
def _offsets(sampling: Sampling, device: torch.device) -> Tensor:
    return torch.tensor(INPUTS[sampling], device=device)


def candidates(anchors: Tensor, sampling: Sampling, height: int, width: int) -> Tensor:
    """The cells that a prediction is compared with: the anchor, and every negative of eq. 11.

    Negatives are all other cells of the map whose window shares no pixel with the anchor's or an input's.

    Args:
        anchors: ... x 2 rows and columns.

    Returns:
        ... x height·width booleans, row by row.
    """
    used = torch.cat([anchors.unsqueeze(-2), input_cells(anchors, sampling)], dim=-2)
    near_row = (torch.arange(height, device=anchors.device) - used[..., 0, None]).abs() < OFFSET
    near_column = (torch.arange(width, device=anchors.device) - used[..., 1, None]).abs() < OFFSET
    overlaps = near_row.float().transpose(-1, -2) @ near_column.float()
    allowed = (overlaps == 0).flatten(-2)
    return allowed.scatter(-1, (anchors[..., 0] * width + anchors[..., 1]).unsqueeze(-1), True)


def gather(features: Tensor, cells: Tensor) -> Tensor:
    """Feature vectors of cells: N x C x H x W and N x ... x 2 (row, column) to N x ... x C."""
    width = features.shape[-1]
    flat = (cells[..., 0] * width + cells[..., 1]).flatten(1)
    picked = features.flatten(2).gather(2, flat.unsqueeze(1).expand(-1, features.shape[1], -1))
    return picked.transpose(1, 2).reshape(*cells.shape[:-1], features.shape[1])
