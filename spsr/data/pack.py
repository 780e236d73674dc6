"""Training images decoded once into flat memory-mapped arrays, with the LR image of each whole HR image."""

import json
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal, NotRequired

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydantic import NonNegativeInt, PositiveInt, TypeAdapter
from typing_extensions import TypedDict

from spsr.data.hashing import file_hash, verify
from spsr.data.image_sets import ImageSet, read_hr, read_lr
from spsr.data.parallel import for_each
from spsr.errors import InputError
from spsr.files import read_json, staging_of, write_text
from spsr.images import SCALE
from spsr.progress import Progress, silent

_TURNED_BY_EXIF = (5, 6, 7, 8)
_ORIENTATION = 0x0112


@dataclass(frozen=True)
class Pack:
    """Decoded training images, one after the other.

    Attributes:
        names: of the images.
        sizes: (height, width) of the HR images, multiples of 4.
        hr, lr: uint8, read-only memory maps; image i is H·W·3 bytes in HWC order, in the order of `names`.
    """

    names: Sequence[str]
    sizes: Sequence[tuple[int, int]]
    hr: NDArray[np.uint8]
    lr: NDArray[np.uint8]


class _Packed(TypedDict):
    """Where one image lies in a pack."""

    name: str
    height: PositiveInt
    width: PositiveInt
    offset: NonNegativeInt
    lr_offset: NonNegativeInt


class Index(TypedDict):
    """The index of a pack: what it was made from, its images, and the sha256 of its two files of pixels."""

    inputs: dict[str, Any]
    sha256: NotRequired[dict[Literal["hr", "lr"], str]]
    images: list[_Packed]


_INDEX = TypeAdapter(Index)
_REMEDY = "run `spsr prepare training` for this preset"


@dataclass(frozen=True)
class _Item:
    """One image to pack, and where its bytes begin."""

    name: str
    file: Path
    lr_file: Path | None
    height: int
    width: int
    offset: int
    lr_offset: int


def pack(images: ImageSet, index: Path, *, processes: int | None = None, progress: Progress = silent) -> Pack:
    """Pack `images` into `hr.npy` and `lr.npy` beside the file `index`, which is written last.

    A finished pack of the same files (by name, size and modification time) and crop is kept.

    Raises:
        InputError: there is no image, or one cannot be read or is too small.
    """
    inputs = _inputs(images)
    if _finished(index, inputs):
        return open_pack(index)
    index.parent.mkdir(parents=True, exist_ok=True)
    items = _plan(images)
    last = items[-1]
    total, lr_total = last.offset + _bytes(last), last.lr_offset + _bytes(last) // SCALE**2
    parts = [staging_of(index.with_name(f"{name}.npy")) for name in ("hr", "lr")]
    try:
        for part, length in zip(parts, (total, lr_total), strict=True):
            np.lib.format.open_memmap(part, mode="w+", dtype=np.uint8, shape=(length,)).flush()
            _reserve(part)
        for done in for_each(partial(_write, parts[0], parts[1], images.crop), items, processes):
            progress(done, len(items), "training images")
        digests = {name: file_hash(part) for part, name in zip(parts, ("hr", "lr"), strict=True)}
        # Before the pixels: without an index they are not ours.
        write_text(index, json.dumps({"inputs": inputs, "sha256": digests, "images": _listed(items)}, indent=1) + "\n")
        for part, name in zip(parts, ("hr", "lr"), strict=True):
            part.replace(index.with_name(f"{name}.npy"))
    finally:
        for part in parts:
            part.unlink(missing_ok=True)
    return open_pack(index)


def read_index(index: Path) -> Index:
    """The index of a pack; without `sha256` if an earlier version wrote it, `InputError` if it is damaged."""
    return read_json(index, _INDEX, _REMEDY)


def open_pack(index: Path) -> Pack:
    """The pack whose index file is `index` (or lies in the folder `index`), memory-mapped.

    Raises:
        InputError: there is none, or its pixel files are not those of the index, or damaged.
    """
    index = index / "index.json" if index.is_dir() else index
    content = read_index(index)
    images = content["images"]
    try:
        hr, lr = (np.load(index.with_name(f"{name}.npy"), mmap_mode="r") for name in ("hr", "lr"))
    except Exception as error:  # numpy promises nothing about what a malformed header raises
        raise InputError(f"{index}: its pixel files cannot be read ({error}); {_REMEDY}") from error
    pixels = sum(image["height"] * image["width"] * 3 for image in images)
    if (hr.shape, lr.shape, hr.dtype, lr.dtype) != ((pixels,), (pixels // SCALE**2,), np.uint8, np.uint8):
        raise InputError(f"{index}: hr.npy and lr.npy are of another pack; {_REMEDY}")
    for name, digest in content.get("sha256", {}).items():
        verify(index.with_name(f"{name}.npy"), digest, _REMEDY)
    return Pack(
        names=[image["name"] for image in images],
        sizes=[(image["height"], image["width"]) for image in images],
        hr=hr,
        lr=lr,
    )


def without(pack: Pack, skipped: frozenset[int]) -> Pack:
    """A copy of a pack without some of its images."""
    ends = np.cumsum([0, *(height * width * 3 for height, width in pack.sizes)])
    kept = [i for i in range(len(pack.names)) if i not in skipped]
    return Pack(
        names=[pack.names[i] for i in kept],
        sizes=[pack.sizes[i] for i in kept],
        hr=np.concatenate([pack.hr[ends[i] : ends[i + 1]] for i in kept]),
        lr=np.concatenate([pack.lr[ends[i] // SCALE**2 : ends[i + 1] // SCALE**2] for i in kept]),
    )


def _reserve(file: Path) -> None:
    """Take the disk space of a file that is to be written through a memory map, where a full disk ends the process."""
    if hasattr(os, "posix_fallocate"):
        with file.open("r+b") as stream:
            try:
                os.posix_fallocate(stream.fileno(), 0, file.stat().st_size)
            except OSError as error:
                error.filename = str(file.parent)
                raise


def _plan(images: ImageSet) -> list[_Item]:
    if not images.files:
        raise InputError("training images: there are none; name a folder or dataset with images in data.train")
    items, offset, lr_offset = [], 0, 0
    for name, file in images.files.items():
        height, width = _size(file, images.crop)
        item = _Item(name, file, images.lr.get(name), height, width, offset, lr_offset)
        items.append(item)
        offset += _bytes(item)
        lr_offset += _bytes(item) // SCALE**2
    return items


def _listed(items: Sequence[_Item]) -> list[dict[str, Any]]:
    return [
        {"name": i.name, "height": i.height, "width": i.width, "offset": i.offset, "lr_offset": i.lr_offset}
        for i in items
    ]


def _bytes(item: _Item) -> int:
    return item.height * item.width * 3


def _size(file: Path, crop: int | None) -> tuple[int, int]:
    """Height and width after the crop, from the file's header."""
    try:
        with Image.open(file) as opened:
            width, height = opened.size
            if opened.getexif().get(_ORIENTATION) in _TURNED_BY_EXIF:
                width, height = height, width
    except Exception as error:  # as in `read_rgb`
        raise InputError(f"{file}: not an image that can be read; replace the file") from error
    height, width = (crop, crop) if crop is not None else (height, width)
    if min(height, width) < SCALE:
        raise InputError(f"{file}: {width}x{height} pixels are too few; remove the image")
    return height - height % SCALE, width - width % SCALE


def _write(hr_part: Path, lr_part: Path, crop: int | None, item: _Item) -> None:
    image = read_hr(item.file, crop)
    if image.shape[:2] != (item.height, item.width):
        raise InputError(f"{item.file}: changed while it was read; run the command again")
    for part, pixels, offset in (
        (hr_part, image, item.offset),
        (lr_part, read_lr(item.lr_file, image), item.lr_offset),
    ):
        flat = np.load(part, mmap_mode="r+")
        flat[offset : offset + pixels.size] = pixels.reshape(-1)
        flat.flush()


def require_ours(index: Path) -> None:
    """`InputError` if a file that a pack would replace lies beside no index of a pack, and so is someone else's."""
    taken = [file for file in (index, *(index.with_name(f"{name}.npy") for name in ("hr", "lr"))) if file.exists()]
    with suppress(InputError):
        read_index(index)
        return
    if taken:
        raise InputError(f"{taken[0]}: was not made here and is not replaced; choose another folder, or move it away")


def damage(index: Path) -> str | None:
    """What is wrong with an earlier pack, if there is one; it is then made again."""
    if not index.is_file():
        return None
    try:
        open_pack(index)
    except InputError as error:
        return str(error).partition(";")[0]
    return None


def _inputs(images: ImageSet) -> dict[str, Any]:
    inputs: dict[str, Any] = {"crop": images.crop, "files": _stats(images.files)}
    return inputs | {"lr": _stats(images.lr)} if images.lr else inputs


def _stats(files: Mapping[str, Path]) -> list[list[Any]]:
    return [[name, (stat := file.stat()).st_size, stat.st_mtime_ns] for name, file in files.items()]


def _finished(index: Path, inputs: dict[str, Any]) -> bool:
    try:
        return read_index(index)["inputs"] == inputs and damage(index) is None
    except InputError:
        return False
