"""Super-resolving image files: read, computed and written side by side."""

from collections import deque
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from torch import nn

from spsr.errors import InputError, naming
from spsr.evaluation.upscale import OVERLAP, TileProgress, Upscaler, upscale_image
from spsr.images import RGB, bicubic, by_stem, degrade, image_index, made_here, read_rgb, select_role, write_png
from spsr.progress import Progress, silent

_MOST_WAITING = 2
"""Results that wait to be written: no more are kept in memory."""


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
    tile: int | None = None,
    overlap: int = OVERLAP,
    replace: bool = False,
    progress: Progress = silent,
) -> list[Path]:
    """Super-resolve image files and folders of them into `out_dir`, as PNG under the stem of each input.

    The next image is read, and the last one written, while one is computed. Any image that `spsr.images.read_rgb`
    reads will do: grey ones come out as RGB, transparent ones on white.

    Args:
        model: see `upscale_image`.
        inputs: see `collect_inputs`.
        out_dir: made if it is missing; each file appears in it only when it is complete.
        from_hr: the inputs are HR images, from which the LR images are made first, as the paper's evaluation does:
            networks are given the 8-bit LR image, bicubic interpolation the unrounded one. Results have the size of the
            HR images cut to multiples of 4.
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
    sources = list(images.items())
    with ThreadPoolExecutor(2) as beside:
        reading = [beside.submit(_read, model, source, from_hr) for _, source in sources[:1]]
        writing: deque[Future[None]] = deque()
        for number, (stem, source) in enumerate(sources):
            image = reading.pop().result()
            reading += [beside.submit(_read, model, following, from_hr) for _, following in sources[number + 1 :][:1]]
            with naming(source):
                if from_hr and not isinstance(model, nn.Module):
                    result = bicubic(image)
                else:
                    report = _tile_report(progress, number, len(sources), stem)
                    result = upscale_image(model, image, tile=tile, overlap=overlap, on_tile=report)
            writing.append(beside.submit(write_png, targets[stem], result))
            if len(writing) > _MOST_WAITING:
                writing.popleft().result()
            progress(number + 1, len(sources), stem)
        for written in writing:
            written.result()
    return list(targets.values())


def _read(model: Upscaler, source: Path, from_hr: bool) -> RGB:
    """What the model is given of an image file."""
    image = read_rgb(source)
    with naming(source):
        return degrade(image) if from_hr and isinstance(model, nn.Module) else image


def _tile_report(progress: Progress, number: int, total: int, stem: str) -> TileProgress:
    return lambda fraction: progress(number + fraction, total, stem)
