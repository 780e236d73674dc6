"""Reading, naming and writing images, and making low-resolution ones as the paper's evaluation does."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError
from PIL.PngImagePlugin import PngInfo

from spsr.errors import InputError
from spsr.files import atomic_path
from spsr.resize import imresize, to_uint8

SCALE = 4
"""The factor of every table of the paper."""

SUFFIXES = frozenset({".png", ".bmp", ".jpg", ".jpeg", ".tif", ".tiff", ".webp", ".ppm", ".pgm"})

Role = Literal["HR", "LR"]
RGB = NDArray[np.uint8]

_SOFTWARE = "spsr"
_DECORATION = re.compile(r"(?:[_-](?:HR|LR|SR|GT|rlt|out)|[_-]SRF[_-]?4|[_-]?x4)\Z", re.IGNORECASE)


def read_rgb(path: Path | str) -> RGB:
    """Read an image file as uint8 H×W×3, RGB, turned upright as its EXIF tag says.

    Grey becomes R = G = B and a palette its colours. Of 16-bit samples the high byte is kept. Transparent
    pixels are shown on white (an opaque image with an alpha channel keeps its colours exactly).

    Raises:
        InputError: the file is missing, is not a readable image, or holds floating-point samples.
    """
    path = Path(path)
    try:
        with Image.open(path) as opened:
            return _as_rgb(ImageOps.exif_transpose(opened), path)
    except (InputError, MemoryError):
        raise
    except FileNotFoundError:
        raise InputError(f"{path}: no such image; check the path") from None
    except UnidentifiedImageError:
        raise InputError(f"{path}: not an image that can be read; replace the file") from None
    except Exception as error:  # Pillow promises nothing about what a malformed file raises
        raise InputError(f"{path}: cannot be read as an image ({error}); replace the file") from error


def _as_rgb(image: Image.Image, path: Path) -> RGB:
    if image.mode == "F":
        raise InputError(f"{path}: holds floating-point samples; save it with 8 or 16 bits a channel")
    if image.mode == "I" or image.mode.startswith("I;16"):
        samples = np.asarray(image).astype(np.int64)
        if samples.min() < 0 or samples.max() > 65535:
            raise InputError(f"{path}: holds 32-bit samples; save it with 8 or 16 bits a channel")
        return np.repeat((samples >> 8).astype(np.uint8)[:, :, None], 3, axis=2)
    if image.has_transparency_data:
        coloured = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), coloured)
    return np.array(image.convert("RGB"))


def write_png(path: Path | str, image: RGB) -> None:
    """Write uint8 H×W×3 `image`, or a grey one of H×W, as PNG to `path`, atomically; missing folders are made.

    The file says in its header by which software it was made, see `made_here`.
    """
    header = PngInfo()
    header.add_text("Software", _SOFTWARE)
    with atomic_path(path) as temporary:
        Image.fromarray(image).save(temporary, format="PNG", compress_level=4, pnginfo=header)


def made_here(path: Path) -> bool:
    """Whether `write_png` made the file, so that it can be made again."""
    try:
        with Image.open(path) as opened:
            return opened.info.get("Software") == _SOFTWARE
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return False


def image_index(folder: Path | str) -> dict[str, Path]:
    """The images of `folder` (not of its subfolders) by their stem, in the order of their names.

    Files whose name starts with a dot, and files that are not images by their suffix, do not count.

    Raises:
        InputError: the folder is missing or holds no image, or two images have the same stem.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; give a folder of images")
    index = by_stem(file for file in sorted(folder.iterdir()) if is_image(file))
    if not index:
        raise InputError(f"{folder}: holds no image; give a folder of {', '.join(sorted(SUFFIXES))} files")
    return index


def by_stem(files: Iterable[Path]) -> dict[str, Path]:
    """`files` by their stem, in the given order; InputError when two of them share one."""
    index: dict[str, Path] = {}
    for file in files:
        if file.stem in index:
            raise InputError(
                f"{file}: has the same name as {index[file.stem]} but for its folder or suffix; keep one of them"
            )
        index[file.stem] = file
    return index


def is_image(file: Path) -> bool:
    """Whether `file` is an image by its name, and not a hidden one."""
    return file.suffix.lower() in SUFFIXES and not file.name.startswith(".") and file.is_file()


def plain_name(stem: str) -> str:
    """The name of an image without what archives and programs append to it, for matching by name.

    Removed from the end, however often: `_HR`, `_LR`, `_SR`, `_GT`, `_rlt`, `_out`, `_SRF_4` and `x4` (any case).
    `img_001_SRF_4_HR`, `img_001_SRF_4` and `img_001` are one image, as are `babyx4` and `baby`.
    """
    while (shorter := _DECORATION.sub("", stem)) not in (stem, ""):
        stem = shorter
    return stem


def images_by_name(folder: Path) -> dict[str, Path]:
    """The images of `folder` by their `plain_name`; `InputError` as for `image_index`."""
    return {plain_name(stem): path for stem, path in image_index(folder).items()}


def select_role(index: Mapping[str, Path], role: Role) -> dict[str, Path]:
    """The HR (or LR) images of a folder that keeps several kinds of one benchmark side by side.

    A folder that has stems ending in `_HR`, such as an archive with `img_001_SRF_4_HR.png`, `…_LR.png` and other
    methods' results, is reduced to the stems that end in `_HR` (`_LR`). Any other folder is returned whole.
    """
    if not any(stem.endswith("_HR") for stem in index):
        return dict(index)
    return {stem: path for stem, path in index.items() if stem.endswith(f"_{role}")} or dict(index)


def crop_to_multiple(image: RGB) -> RGB:
    """Cut rows from the bottom and columns from the right until both counts are multiples of the scale."""
    height, width = (length - length % SCALE for length in image.shape[:2])
    if height == 0 or width == 0:
        raise InputError(
            f"image: {image.shape[1]}x{image.shape[0]} pixels are fewer than {SCALE} on a side; use a larger image"
        )
    return image[:height, :width]


def degrade(hr: RGB) -> RGB:
    """The 8-bit LR image (H/4×W/4×3) that every network is given for uint8 `hr` (H×W×3, cut to multiples of 4)."""
    return to_uint8(imresize(crop_to_multiple(hr), 1 / SCALE))


def bicubic(hr: RGB) -> RGB:
    """The image of the paper's Bicubic column for uint8 `hr`, which is cut to multiples of 4.

    ×1/4, then ×4, and one rounding at the end: the LR image between the two is neither rounded nor clipped.
    """
    return to_uint8(imresize(imresize(crop_to_multiple(hr), 1 / SCALE), SCALE))
