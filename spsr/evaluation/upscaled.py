"""What the super-resolved images of a benchmark are and were made from: a file in their folder, written last."""

import json
from collections.abc import Iterable
from pathlib import Path

from pydantic import TypeAdapter

from spsr.config.strict import Strict
from spsr.data.benchmark import recorded
from spsr.data.hashing import file_hash
from spsr.errors import InputError
from spsr.files import read_json, write_text


class Upscaled(Strict):
    """The sha256 of the files of one run on one benchmark.

    Attributes:
        weights: of the network; none for a computed method.
        benchmark: of the prepared images, as their passport has them.
        images: of the super-resolved images, by file name.
    """

    weights: str | None
    benchmark: dict[str, str]
    images: dict[str, str]


_UPSCALED = TypeAdapter(Upscaled)


def write_upscaled(file: Path, benchmark: Path, images: Iterable[Path], weights: str | None) -> None:
    """Record images that were made from a prepared benchmark."""
    made = {image.name: file_hash(image) for image in images}
    record = Upscaled(weights=weights, benchmark=recorded(benchmark), images=made)
    write_text(file, json.dumps(record.model_dump(), indent=1) + "\n")


def read_upscaled(file: Path, benchmark: Path, remedy: str) -> Upscaled:
    """The record of a folder's images, if they are as it says.

    Raises:
        InputError: there is no record; an image is missing or another than was made, or they were made from other
            images of the benchmark than are prepared now.
    """
    record = read_json(file, _UPSCALED, remedy)
    for name, digest in record.images.items():
        image = file.with_name(name)
        if not image.is_file():
            raise InputError(f"{image}: is missing; {remedy}")
        if file_hash(image) != digest:
            raise InputError(f"{image}: is not the image that was made here; {remedy}")
    if record.benchmark != recorded(benchmark):
        raise InputError(f"{file.parent}: was made from other images than are prepared in {benchmark}; {remedy}")
    return record
