"""Super-resolving image files with a network or with bicubic interpolation, in bounded memory."""

import itertools
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import nn

from spsr.errors import InputError
from spsr.images import RGB, SCALE, bicubic, by_stem, degrade, image_index, read_rgb, select_role, write_png
from spsr.resize import imresize, to_uint8

Upscaler = nn.Module | Literal["bicubic"]

TILE = 256
"""Largest side, in LR pixels, of what a network is given at once: whole for every benchmark image of the paper."""

OVERLAP = 32
"""LR pixels of real context around a tile; see `upscale_image`."""

TileProgress = Callable[[int, int], None]
"""Called with the number of finished tiles and of all of them."""

Progress = Callable[[float, int, str], None]
"""Called with the number of finished images (a fraction within one), of all of them, and the name of the current."""


def upscale_image(
    model: Upscaler, image: RGB, *, tile: int = TILE, overlap: int = OVERLAP, on_tile: TileProgress | None = None
) -> RGB:
    """Super-resolve one LR image.

    An image of more than `tile`² pixels is cut into tiles, which are computed with `overlap` pixels of their real
    surroundings (less only where the image ends, so that padding acts where it does for the whole image) and
    from which these are cut away again. With bicubic interpolation, and with a network whose receptive field
    reaches no farther than `overlap`, the result is that of the whole image but for floating-point rounding;
    otherwise it differs by what the network makes of pixels more than `overlap` away.

    Args:
        model: `"bicubic"` (×4), or a network from float 1×3×H×W in [0, 1] to 1×3×sH×sW; of a tuple the first
            element counts. It is run in evaluation mode where its parameters are.
        image: uint8 H×W×3, RGB.
        tile: largest side of a tile with its overlap, > 2·overlap.
        overlap: pixels of context on each side.
        on_tile: called after each tile.

    Returns:
        uint8 sH×sW×3: clipped to [0, 1], times 255, rounded.

    Raises:
        InputError: the tile is not larger than twice the overlap.
    """
    if overlap < 0 or tile <= 2 * overlap:
        raise InputError(f"tile: {tile} pixels are not more than twice the overlap of {overlap}; use larger tiles")
    height, width = image.shape[:2]
    whole = height * width <= tile * tile
    rows = _pieces(height, height if whole else tile, overlap)
    columns = _pieces(width, width if whole else tile, overlap)
    result = np.empty((0, 0, 3), np.uint8)
    with _ready(model):
        for done, (row, column) in enumerate(itertools.product(rows, columns), start=1):
            part = _upscale_whole(model, image[row.start : row.stop, column.start : column.stop])
            scale = part.shape[0] // (row.stop - row.start)
            if done == 1:
                result = np.empty((height * scale, width * scale, 3), np.uint8)
            result[row.kept(scale), column.kept(scale)] = part[row.inner(scale), column.inner(scale)]
            if on_tile:
                on_tile(done, len(rows) * len(columns))
    return result


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
    progress: Progress | None = None,
) -> list[Path]:
    """Super-resolve image files and folders of them into `out_dir`, as PNG under the stem of each input.

    Any image that `spsr.images.read_rgb` reads will do: grey ones come out as RGB, transparent ones on white.

    Args:
        model: see `upscale_image`.
        inputs: see `collect_inputs`.
        out_dir: made if it is missing; each file appears in it only when it is complete.
        from_hr: the inputs are HR images, from which the LR images are made first (`upscale_hr`).
        progress: called during and after each image.

    Returns:
        The written files, in the order of the inputs.

    Raises:
        InputError: as `collect_inputs`; an image cannot be read or is too small; a result would overwrite its input.
    """
    images = collect_inputs(inputs, from_hr)
    targets = {stem: Path(out_dir) / f"{stem}.png" for stem in images}
    for stem, source in images.items():
        if targets[stem].resolve() == source.resolve():
            raise InputError(f"{source}: the result would overwrite it; choose another output folder")
    for number, (stem, source) in enumerate(images.items()):
        image = read_rgb(source)
        try:
            if from_hr:
                result = upscale_hr(model, image, tile=tile, overlap=overlap)
            else:
                report = _tile_report(progress, number, len(images), stem)
                result = upscale_image(model, image, tile=tile, overlap=overlap, on_tile=report)
        except InputError as error:
            raise InputError(f"{source}: {error}") from error
        write_png(targets[stem], result)
        if progress:
            progress(number + 1, len(images), stem)
    return list(targets.values())


@dataclass(frozen=True)
class _Piece:
    """A stretch of one axis: computed from `start` to `stop`, kept from `first` to `last`."""

    start: int
    first: int
    last: int
    stop: int

    def kept(self, scale: int) -> slice:
        """Where the kept stretch lies in the whole result."""
        return slice(self.first * scale, self.last * scale)

    def inner(self, scale: int) -> slice:
        """Where the kept stretch lies in the result of this piece."""
        return slice((self.first - self.start) * scale, (self.last - self.start) * scale)


def _pieces(length: int, tile: int, overlap: int) -> list[_Piece]:
    """Cut an axis into stretches of about equal length that with their overlap are no longer than `tile`."""
    count = 1 if length <= tile else -(-length // (tile - 2 * overlap))
    cuts = [length * i // count for i in range(count + 1)]
    return [
        _Piece(max(first - overlap, 0), first, last, min(last + overlap, length))
        for first, last in itertools.pairwise(cuts)
    ]


def _upscale_whole(model: Upscaler, image: RGB) -> RGB:
    if not isinstance(model, nn.Module):
        return to_uint8(imresize(image, SCALE))
    parameter = next(model.parameters(), torch.empty(0))
    pixels = torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))[None]
    output = model(pixels.to(parameter.device, parameter.dtype) / 255)
    sr: torch.Tensor = output[0] if isinstance(output, tuple | list) else output
    levels = sr[0].clamp(0, 1).mul(255).round().to(torch.uint8)
    return levels.permute(1, 2, 0).cpu().numpy()


@contextmanager
def _ready(model: Upscaler) -> Iterator[None]:
    """Within the block, a network is in evaluation mode and records no gradients."""
    if not isinstance(model, nn.Module):
        yield
        return
    training = model.training
    model.eval()
    try:
        with torch.inference_mode():
            yield
    finally:
        model.train(training)


def _tile_report(progress: Progress | None, number: int, total: int, stem: str) -> TileProgress | None:
    if progress is None:
        return None
    return lambda done, tiles: progress(number + done / tiles, total, stem)
