"""Super-resolving an image with a network or with bicubic interpolation, in bounded memory."""

import itertools
import math
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import nn

from spsr.errors import InputError
from spsr.evaluation.split import split_at_upsampling
from spsr.images import RGB, SCALE
from spsr.models.inference import inferring, super_resolve, to_input
from spsr.resize import imresize, to_uint8

Upscaler = nn.Module | Literal["bicubic"]

TILE = 160
"""Side, in LR pixels, of what a CPU computes at the HR size at once."""

BYTES_A_PIXEL = 80_000
"""What the largest network needs for each LR pixel of it."""

OVERLAP = 32
"""LR pixels of real context around the tiles of a network that cannot be split."""

BLOCK = 736
"""Side, in LR pixels, of what the LR part of a split network is given at once: whole up to an SR image of 4K."""

BLOCK_OVERLAP = 96
"""LR pixels of real context around blocks."""

Window = tuple[slice, slice]
"""Rows and columns of an image."""

TileProgress = Callable[[float], None]
"""Called with the finished fraction of an image."""


def upscale_image(
    model: Upscaler, image: RGB, *, tile: int | None = None, overlap: int = OVERLAP, on_tile: TileProgress | None = None
) -> RGB:
    """Super-resolve one LR image.

    An image of up to `tile`² pixels is computed at once. For a larger one the network is split at its first
    upsampling (`spsr.evaluation.split`): the part at LR size runs on the whole image, the part at HR size in tiles
    with all the context that it sees, and the result is that of the whole network but for floating-point rounding
    (at most one level). Images above `BLOCK`² pixels are first cut into blocks with `BLOCK_OVERLAP` pixels of their
    real surroundings.

    Bicubic interpolation is exact in tiles. A network that cannot be split is run as a whole on tiles with `overlap`
    pixels of their surroundings: as exact if its receptive field reaches no farther, else with an error that depends
    on the network. Padding acts only where the image ends, as it does on the whole.

    Args:
        model: `"bicubic"` (×4), or a network from float 1×3×H×W in [0, 1] to 1×3×sH×sW; of a tuple the first
            element counts. It is run in evaluation mode where its parameters are.
        image: uint8 H×W×3, RGB.
        tile: largest side of a tile with its context, > 2·overlap; by default `tile_for` the model.
        overlap: pixels of context on each side where the network cannot be split.
        on_tile: called after each tile.

    Returns:
        uint8 sH×sW×3: clipped to [0, 1], times 255, rounded.

    Raises:
        InputError: the tile is not larger than twice the overlap.
    """
    tile = tile_for(model) if tile is None else tile
    if overlap < 0 or tile <= 2 * overlap:
        raise InputError(f"tile: {tile} pixels are not more than twice the overlap of {overlap}; use larger tiles")
    report = on_tile or (lambda fraction: None)
    with inferring(model) if isinstance(model, nn.Module) else nullcontext():
        if not isinstance(model, nn.Module):
            return _tiled(image.shape, tile, overlap, lambda at, _: to_uint8(imresize(image[at], SCALE)), report)
        large = image.shape[0] * image.shape[1] > tile * tile
        split = split_at_upsampling(model) if large else None
        if split is None:
            return _tiled(
                image.shape, tile, overlap, lambda at, _: super_resolve(model, to_input(image[at], model)), report
            )

        def block(at: Window, block_report: TileProgress) -> RGB:
            lr = to_input(image[at], model)
            features, size = split.extract(lr), lr.shape[2:]

            def reconstruct(inner: Window, _: TileProgress) -> RGB:
                return super_resolve(split.reconstruct, *split.window(features, size, *inner))

            return _tiled(size, tile, split.context, reconstruct, block_report)

        return _tiled(image.shape, BLOCK, BLOCK_OVERLAP, block, report)


def tile_for(model: Upscaler) -> int:
    """Side of a model's tiles in LR pixels: on a GPU what half of its free memory holds, from `TILE` to `BLOCK`."""
    parameter = next(model.parameters(), None) if isinstance(model, nn.Module) else None
    if parameter is None or parameter.device.type != "cuda":
        return TILE
    free, _ = torch.cuda.mem_get_info(parameter.device)
    return min(BLOCK, max(TILE, math.isqrt(free // 2 // BYTES_A_PIXEL)))


@dataclass(frozen=True)
class _Piece:
    """A stretch of one axis: computed from `start` to `stop`, kept from `first` to `last`."""

    start: int
    first: int
    last: int
    stop: int

    def computed(self) -> slice:
        return slice(self.start, self.stop)

    def kept(self, scale: int) -> slice:
        """Where the kept stretch lies in the whole result."""
        return slice(self.first * scale, self.last * scale)

    def inner(self, scale: int) -> slice:
        """Where the kept stretch lies in the result of this piece."""
        return slice((self.first - self.start) * scale, (self.last - self.start) * scale)


def _tiled(
    shape: Sequence[int],
    tile: int,
    overlap: int,
    compute: Callable[[Window, TileProgress], RGB],
    report: TileProgress,
) -> RGB:
    """Put together what `compute` gives for tiles of an H×W image; up to tile² pixels are one tile."""
    height, width = shape[:2]
    whole = height * width <= tile * tile
    rows = _pieces(height, height if whole else tile, overlap)
    columns = _pieces(width, width if whole else tile, overlap)
    count = len(rows) * len(columns)
    result = np.empty((0, 0, 3), np.uint8)
    for number, (row, column) in enumerate(itertools.product(rows, columns)):
        part = compute((row.computed(), column.computed()), _share(report, number, count))
        scale = part.shape[0] // (row.stop - row.start)
        if number == 0:
            result = np.empty((height * scale, width * scale, 3), np.uint8)
        result[row.kept(scale), column.kept(scale)] = part[row.inner(scale), column.inner(scale)]
        report((number + 1) / count)
    return result


def _share(report: TileProgress, number: int, count: int) -> TileProgress:
    """Reports on one of `count` tiles as a part of the whole."""
    return lambda fraction: report((number + fraction) / count)


def _pieces(length: int, tile: int, overlap: int) -> list[_Piece]:
    """Cut an axis into stretches of about equal length that with their overlap are no longer than `tile`."""
    count = 1 if length <= tile else -(-length // (tile - 2 * overlap))
    cuts = [length * i // count for i in range(count + 1)]
    return [
        _Piece(max(first - overlap, 0), first, last, min(last + overlap, length))
        for first, last in itertools.pairwise(cuts)
    ]
