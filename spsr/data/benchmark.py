"""A benchmark as folders of PNGs: `HR/NAME.png`, `LR/NAME.png`, and `passport.json` written last."""

import json
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any

from spsr.config import Config, resources
from spsr.data.hashing import file_hash, known_hash
from spsr.data.image_sets import ImageSet, read_hr, read_lr
from spsr.data.parallel import for_each
from spsr.data.passport import passport, read_passport
from spsr.errors import InputError
from spsr.files import new_folder, remove_leftovers, write_text
from spsr.images import SCALE, write_png
from spsr.progress import Progress, silent
from spsr.resize import Border, imresize_stepwise_uint8


def prepare_benchmark(
    name: str,
    images: ImageSet,
    out: Path,
    *,
    border: Border = "mirror",
    processes: int | None = None,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Write a benchmark's HR images (cut to multiples of 4), its 8-bit LR images, given or made, and their passport.

    Everything appears at once in `out`, which holds nothing else afterwards. A finished benchmark of the same
    files, crop and border is kept; a folder that was not made here, or that holds a source, is an `InputError`.

    Args:
        border: what lies beyond the image's edge for the reduction: `mirror` as the paper's code, or
            `replicate` (with rounding after each direction) as the LR images of SelfExSR's archives.

    Returns:
        The passport, with `prepared` (crop, border, scale) added.
    """
    remove_leftovers(out.resolve().parent)
    sources = {image: file_hash(file) for image, file in images.files.items()}
    settings: dict[str, Any] = {"scale": SCALE, "crop": images.crop, "border": border}
    if images.lr:
        settings["lr"] = {image: file_hash(file) for image, file in images.lr.items()}
    kept = _finished(out, sources, settings)
    if kept is not None:
        return kept
    with new_folder(out, ours=_is_ours(out), sources=[*images.files.values(), *images.lr.values()]) as staging:
        work = partial(_write, staging, images.crop, border)
        items = [(image, file, images.lr.get(image)) for image, file in images.files.items()]
        for done in for_each(work, items, processes):
            progress(done, len(images.files), name)
        content = {**passport(name, dict(images.files), registered=images.dataset), "prepared": settings}
        content["files"] = {name: file_hash(staging / name) for name in _files(sources)}
        write_text(staging / "passport.json", json.dumps(content, indent=2) + "\n")
    return content


def recorded(folder: Path) -> dict[str, str]:
    """sha256 of the prepared images of a benchmark by `HR/NAME.png` and `LR/NAME.png`, as its passport says.

    None where there is no passport, or an earlier version wrote it; `InputError` if it is damaged.
    """
    file = folder / "passport.json"
    return dict(read_passport(file).get("files", {})) if file.is_file() else {}


def damage(folder: Path) -> str | None:
    """What is not as its passport says in a prepared benchmark: an image that is damaged, missing or foreign."""
    expected = recorded(folder)
    present = {f"{kind}/{file.name}" for kind in ("HR", "LR") for file in (folder / kind).glob("*")} if expected else ()
    for name in sorted({*expected, *present}):
        if name not in present:
            return f"{folder / name}: is missing"
        if name not in expected:
            return f"{folder / name}: was not prepared here"
        if known_hash(folder / name) != expected[name]:
            return f"{folder / name}: is damaged"
    return None


def require(folder: Path, remedy: str) -> None:
    """`InputError` with the remedy if a benchmark is not prepared, or not as its passport says."""
    if not (folder / "passport.json").is_file():
        raise InputError(f"{folder}: is not prepared; {remedy}")
    if (problem := damage(folder)) is not None:
        raise InputError(f"{problem}; {remedy}")


def prepared_benchmarks(config: Config) -> list[str]:
    """The benchmarks of a preset, without the optional ones that are not prepared.

    Raises:
        InputError: another is not prepared, or one is not as its passport says.
    """
    found = []
    for dataset, source in config.preset.data.benchmarks.items():
        if not source.optional or config.layout.passport(dataset).is_file():
            require(config.layout.benchmark(dataset), f"run `spsr prepare {dataset}` for this preset")
            found.append(dataset)
    return found


def _files(names: Iterable[str]) -> list[str]:
    return [f"{kind}/{name}.png" for kind in ("HR", "LR") for name in names]


def _is_ours(out: Path) -> bool:
    """Whether a folder was prepared here.

    The passport says so; the workflow removes it before it prepares a benchmark of the preset's own folder again.
    """
    if out.resolve().is_relative_to((resources() / "prepared").resolve()):
        return True
    return (out / "passport.json").is_file() and {file.name for file in out.iterdir()} <= {"HR", "LR", "passport.json"}


def _write(folder: Path, crop: int | None, border: Border, item: tuple[str, Path, Path | None]) -> None:
    name, file, lr_file = item
    image = read_hr(file, crop)
    write_png(folder / "HR" / f"{name}.png", image)
    made_otherwise = lr_file is None and border == "replicate"
    lr = imresize_stepwise_uint8(image, 1 / SCALE) if made_otherwise else read_lr(lr_file, image)
    write_png(folder / "LR" / f"{name}.png", lr)


def _finished(out: Path, sources: dict[str, str], settings: dict[str, Any]) -> dict[str, Any] | None:
    try:
        content = read_passport(out / "passport.json")
        same = {image["name"]: image["sha256"] for image in content["images"]} == sources
        complete = all((out / file).is_file() for file in _files(sources)) and damage(out) is None
        return content if same and complete and content.get("prepared") == settings else None
    except InputError:
        return None
