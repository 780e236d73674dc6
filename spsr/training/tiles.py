"""Sub-images of the training images, as the official code cuts them before it draws patches."""

import numpy as np
from numpy.typing import NDArray

from spsr.config.preset import Tiling
from spsr.data.pack import Pack
from spsr.errors import InputError
from spsr.images import SCALE


def tile_starts(length: int, tiling: Tiling) -> list[int]:
    """Where tiles begin along a side of `length` HR pixels, as the official code cuts its sub-images.

    Every `step` pixels while a tile fits; a last one that ends with the image where more than `remainder` pixels
    are left. Empty if the side is shorter than a tile.
    """
    starts = list(range(0, length - tiling.size + 1, tiling.step))
    if starts and length - (starts[-1] + tiling.size) > tiling.remainder:
        starts.append(length - tiling.size)
    return starts


def cut_tiles(pack: Pack, patch: int, tiling: Tiling | None) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows (image, top, left, height, width) of all tiles in HR pixels, and the widths of the images."""
    if tiling is not None and (tiling.size % SCALE or tiling.step % SCALE):
        raise InputError(f"data.tiling: size {tiling.size} and step {tiling.step} must be multiples of {SCALE}")
    rows = []
    for image, (name, (height, width)) in enumerate(zip(pack.names, pack.sizes, strict=True)):
        if height % SCALE or width % SCALE:
            raise InputError(f"{name}: {width}x{height} is no multiple of {SCALE}; prepare the training images again")
        if tiling is None:
            tile_height, tile_width, corners = height, width, [(0, 0)]
        else:
            tile_height = tile_width = tiling.size
            corners = [(top, left) for top in tile_starts(height, tiling) for left in tile_starts(width, tiling)]
        smallest = min(height, width) if tiling is None else min(height, width, tiling.size)
        if not corners or smallest < patch:
            needed = patch if tiling is None else max(patch, tiling.size)
            raise InputError(
                f"{name}: {width}x{height} pixels hold no {needed}x{needed} sample; "
                "remove the image, or make data.tiling or the schedule's patch smaller"
            )
        rows += [(image, top, left, tile_height, tile_width) for top, left in corners]
    widths = np.array([size[1] for size in pack.sizes], dtype=np.int64)
    return np.array(rows, dtype=np.int64), widths
