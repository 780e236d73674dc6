"""Finding the images of a dataset among files, whatever the archive calls them."""

import re
from collections.abc import Iterable
from pathlib import PurePath
from typing import TypeVar

from spsr.data.registry import Dataset
from spsr.images import SUFFIXES

AnyPath = TypeVar("AnyPath", bound=PurePath)

_LR_FOLDER = re.compile(r"(^|_)(LR|bicubic|unknown|mild|wild|difficult)(_|$|bicx|x\d)|^x[2348]$", re.IGNORECASE)
_SCALE = re.compile(r"SRF_(\d)", re.IGNORECASE)
_ORNAMENT = re.compile(r"(_SRF_\d)?([_-](HR|GT))?$", re.IGNORECASE)
_NUMBERED = re.compile(r"(?:img|im)[_-]?0*(\d+)", re.IGNORECASE)


class ClashError(Exception):
    """Two files claim to be the same image; the message names both."""


def match(dataset: Dataset, paths: Iterable[AnyPath]) -> dict[str, AnyPath]:
    """The HR file of each image of `dataset` among `paths`, in the canonical order; images without one are left out.

    `img_014_SRF_4_HR.png`, `img_014.png`, `zebra.png` and `zebra_GT.bmp` are all Set14's `zebra`. LR images, results of
    other methods and files of other names are ignored. Of several scales the x4 one is taken (its HR image is cropped
    to a multiple of 4, as the protocol does it).

    Args:
        paths: relative to the dataset's folder, so that a folder above it (say, `bicubic`) does not count.

    Raises:
        ClashError: two files of the same rank are one image.
    """
    spellings = _spellings(dataset)
    best: dict[str, tuple[tuple[int, int], AnyPath]] = {}
    for path in paths:
        name = _name(path, dataset, spellings)
        if name is None:
            continue
        rank = _rank(path)
        if name in best and best[name][0] == rank:
            raise ClashError(f"both {best[name][1]} and {path} are '{name}'")
        if name not in best or rank < best[name][0]:
            best[name] = (rank, path)
    return {name: best[name][1] for name in dataset.names if name in best}


def _spellings(dataset: Dataset) -> dict[str, str]:
    found = {name.lower(): name for name in dataset.names}
    for name, others in dataset.aliases.items():
        found.update({other.lower(): name for other in others})
    return found


def _name(path: PurePath, dataset: Dataset, spellings: dict[str, str]) -> str | None:
    folders = path.parts[:-1]
    if path.suffix.lower() not in SUFFIXES or path.name.startswith(".") or "__MACOSX" in folders:
        return None
    if any(_LR_FOLDER.search(folder) for folder in folders):
        return None
    stem = _ORNAMENT.sub("", path.stem, count=1).lower()
    if stem in spellings:
        return spellings[stem]
    if stem.isdecimal():
        return next((spellings[s] for s in (str(int(stem)), stem.zfill(4)) if s in spellings), None)
    numbered = _NUMBERED.fullmatch(stem)
    by_number = isinstance(dataset.images, list) or dataset.images.prefix != ""
    if numbered and by_number and 1 <= int(numbered[1]) <= len(dataset.names):
        return dataset.names[int(numbered[1]) - 1]
    return None


def _rank(path: PurePath) -> tuple[int, int]:
    scale = _SCALE.search(path.stem)
    by_scale = 1 if scale is None else 0 if scale[1] == "4" else 2
    return by_scale, 0 if "HR" in path.parts[:-1] else 1
