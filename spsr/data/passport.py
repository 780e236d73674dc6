"""The passport of a dataset: what exactly lies there, and whether it can be what it claims to be."""

import csv
import hashlib
import json
from functools import cache
from pathlib import Path
from typing import Any, NotRequired

import PIL.Image
from pydantic import ConfigDict, TypeAdapter
from typing_extensions import TypedDict

from spsr.config.config import CONFIGS
from spsr.data import datasets
from spsr.data.hashing import file_hash
from spsr.data.registry import dataset
from spsr.data.spectrum import THRESHOLD, steepness
from spsr.files import read_json, write_text
from spsr.images import RGB, crop_to_multiple, read_rgb
from spsr.progress import Progress, silent


class Image(TypedDict):
    """What a passport says of an image, as far as others rely on it."""

    __pydantic_config__ = ConfigDict(extra="allow")  # type: ignore[misc]

    name: str
    file: str
    sha256: str


class Passport(TypedDict):
    """What a passport says of a dataset, as far as others rely on it."""

    __pydantic_config__ = ConfigDict(extra="allow")  # type: ignore[misc]

    name: str
    source: str
    count: int
    images: list[Image]
    problems: list[str]
    files: NotRequired[dict[str, str]]


_PASSPORT = TypeAdapter(Passport)


def read_passport(file: Path) -> dict[str, Any]:
    """The passport in a file; `InputError` if there is none, or it is damaged."""
    found: Passport = read_json(file, _PASSPORT, "prepare or fetch the dataset again")
    return dict(found)


def pixel_hash(image: RGB) -> str:
    """sha256 of the size and the RGB bytes of `image` (uint8 H×W×3) cropped to multiples of 4.

    The same for every archive that holds the same picture, whatever its file format, cropping or name.
    """
    cropped = crop_to_multiple(image)
    size = f"{cropped.shape[1]}x{cropped.shape[0]}:".encode()
    return hashlib.sha256(size + cropped.tobytes()).hexdigest()


@cache
def known_hashes() -> dict[tuple[str, str], str]:
    """`pixel_hash` by (dataset, image) of `configs/image_hashes.csv`: the images that the protocol was checked on."""
    with (CONFIGS / "image_hashes.csv").open(encoding="utf-8", newline="") as stream:
        return {(row["dataset"], row["image"]): row["pixels_sha256"] for row in csv.DictReader(stream)}


def passport(
    name: str, files: dict[str, Path], *, registered: str | None = None, progress: Progress = silent
) -> dict[str, Any]:
    """The passport of the images `files` (by name) as plain values for JSON.

    Args:
        name: what the set is called.
        registered: its entry in the registry of datasets, if it has one.

    Returns:
        `name`, `source`, `count`, of a registered one `title`, `licence` and `citation`; per image `name`, `file`,
        `width`, `height`, `mode`, `sha256` of the file, `pixels_sha256`, `same_as_published` (None when no hash is
        known), `spectral_steepness` and `looks_upsampled`; `problems` holds one line for each thing that is not as
        it should be.

    Raises:
        InputError: a file is not an image.
    """
    images = []
    for position, (image, file) in enumerate(files.items()):
        images.append(_image(registered, image, file))
        progress(position + 1, len(files), f"passport of {name}")
    content: dict[str, Any] = {"name": name, "source": str(next(iter(files.values())).parent)}
    if registered is not None:
        entry = dataset(registered)
        content |= {"title": entry.title, "licence": entry.licence, "citation": entry.citation}
        content["source"] = datasets.record(registered).get("source", content["source"])
    return {**content, "count": len(images), "images": images, "problems": _problems(images)}


def _image(registered: str | None, image: str, file: Path) -> dict[str, Any]:
    pixels = read_rgb(file)
    with PIL.Image.open(file) as opened:
        mode = opened.mode
    digest, fall = pixel_hash(pixels), steepness(pixels)
    expected = known_hashes().get((registered or "", image))
    return {
        "name": image,
        "file": file.name,
        "width": pixels.shape[1],
        "height": pixels.shape[0],
        "mode": mode,
        "sha256": file_hash(file),
        "pixels_sha256": digest,
        "same_as_published": None if expected is None else digest == expected,
        "spectral_steepness": round(fall, 3),
        "looks_upsampled": fall > THRESHOLD,
    }


def _problems(images: list[dict[str, Any]]) -> list[str]:
    problems = []
    first: dict[str, str] = {}
    for image in images:
        label = f"{image['name']} ({image['file']})"
        if image["looks_upsampled"]:
            problems.append(f"{label}: has the spectrum of an upsampled image; get the original dataset")
        if image["same_as_published"] is False:
            problems.append(f"{label}: its pixels are not those the protocol was checked on")
        if image["pixels_sha256"] in first:
            problems.append(f"{label}: the same picture as {first[image['pixels_sha256']]}")
        first.setdefault(image["pixels_sha256"], image["name"])
    return problems


def write_passport(name: str, *, progress: Progress = silent) -> dict[str, Any]:
    """Write the passport of the dataset `name` to `resources/datasets/NAME/passport.json` and return it."""
    content = passport(name, datasets.images(name), registered=name, progress=progress)
    write_text(datasets.stored(name) / "passport.json", json.dumps(content, indent=2) + "\n")
    return content
