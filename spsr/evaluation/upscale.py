"""Super-resolving image files with a network or with bicubic interpolation, in bounded memory."""

import itertools
from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from torch import nn

from spsr.errors import InputError, naming
from spsr.evaluation.split import split_at_upsampling
from spsr.images import RGB, SCALE, bicubic, by_stem, degrade, image_index, made_here, read_rgb, select_role, write_png
from spsr.models.inference import inferring, super_resolve, to_input
from spsr.progress import Progress, silent
from spsr.resize import imresize, to_uint8

Upscaler = nn.Module | Literal["bicubic"]

TILE = 160
"""Side, in LR pixels, of what is computed at the HR size at once; the largest network needs 80 kB for each pixel."""

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
    model: Upscaler, image: RGB, *, tile: int = TILE, overlap: int = OVERLAP, on_tile: TileProgress | None = None
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
        tile: largest side of a tile with its context, > 2·overlap.
        overlap: pixels of context on each side where the network cannot be split.
        on_tile: called after each tile.

    Returns:
        uint8 sH×sW×3: clipped to [0, 1], times 255, rounded.

    Raises:
        InputError: the tile is not larger than twice the overlap.
    """
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


def upscale_hr(model: Upscaler, hr: RGB, *, tile: int = TILE, overlap: int = OVERLAP) -> RGB:
    """Make the LR image from uint8 `hr`, as the paper's evaluation does, and super-resolve it.

    Networks are given the 8-bit LR image, bicubic interpolation the unrounded one. The result has the size of
    `hr` cut to multiples of 4.
    """
    return bicubic(hr) if model == "bicubic" else upscale_image(model, degrade(hr), tile=tile, overlap=overlap)


def collect_inputs(inputs: Iterable[Path | str], from_hr: bool = False) -> dict[str, Path]:
    """The images named by files and folders, by their stem, in the given order.

    Of a folder that holds `…_HR` and `…_LR` images of one benchmark, those of the kind that is asked for are taken.

    Raises:
        InputError: an input is missing, a folder holds no image, or two images have the same stem.
    """
    files: dict[Path, Path] = {}
    for entry in map(Path, inputs):
        if entry.is_dir():
            found = list(select_role(image_index(entry), "HR" if from_hr else "LR").values())
        elif entry.exists():
            found = [entry]
        else:
            raise InputError(f"{entry}: no such image or folder; check the path")
        files.update({file.resolve(): file for file in found})
    if not files:
        raise InputError("inputs: no image is named; give image files or folders")
    return by_stem(files.values())


def upscale_files(
    model: Upscaler,
    inputs: Iterable[Path | str],
    out_dir: Path | str,
    *,
    from_hr: bool = False,
    tile: int = TILE,
    overlap: int = OVERLAP,
    replace: bool = False,
    progress: Progress = silent,
) -> list[Path]:
    """Super-resolve image files and folders of them into `out_dir`, as PNG under the stem of each input.

    Any image that `spsr.images.read_rgb` reads will do: grey ones come out as RGB, transparent ones on white.

    Args:
        model: see `upscale_image`.
        inputs: see `collect_inputs`.
        out_dir: made if it is missing; each file appears in it only when it is complete.
        from_hr: the inputs are HR images, from which the LR images are made first (`upscale_hr`).
        replace: write over any image that is in `out_dir` under the name of a result; else only over one made here.
        progress: called during and after each image.

    Returns:
        The written files, in the order of the inputs.

    Raises:
        InputError: as `collect_inputs`; an image cannot be read or is too small; a result would overwrite its input or
            someone else's image.
    """
    images = collect_inputs(inputs, from_hr)
    targets = {stem: Path(out_dir) / f"{stem}.png" for stem in images}
    for stem, source in images.items():
        if targets[stem].resolve() == source.resolve():
            raise InputError(f"{source}: the result would overwrite it; choose another output folder")
        if not replace and targets[stem].exists() and not made_here(targets[stem]):
            raise InputError(f"{targets[stem]}: was not made here and is not replaced; choose another output folder")
    for number, (stem, source) in enumerate(images.items()):
        image = read_rgb(source)
        with naming(source):
            if from_hr:
                result = upscale_hr(model, image, tile=tile, overlap=overlap)
            else:
                report = _tile_report(progress, number, len(images), stem)
                result = upscale_image(model, image, tile=tile, overlap=overlap, on_tile=report)
        write_png(targets[stem], result)
        progress(number + 1, len(images), stem)
    return list(targets.values())


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


def _tile_report(progress: Progress, number: int, total: int, stem: str) -> TileProgress:
    return lambda fraction: progress(number + fraction, total, stem)
