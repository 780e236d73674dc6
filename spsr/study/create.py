"""Making a user study: which parts of which images raters see, and the page that shows them."""

import base64
import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

from spsr.config import Config
from spsr.config.figure import Crop
from spsr.errors import InputError
from spsr.files import check_outputs, write_text
from spsr.images import RGB, image_index, plain_name
from spsr.reporting.figures.pictures import Picture, find, image_files, method_files, method_pixels, strongest_square
from spsr.reporting.pages import environment, inside_script
from spsr.study.key import BLURRED, ORIGINAL, Key, Option, Trial, make_key, read_key, write_key

PAPER_METHODS = ("srgan", "natsr", "esrgan", "spsr_g", "spsr_p")

_PART = 0.5
"""Side of the shown part of an image, as a share of the image's shorter side."""

_BLUR_RADIUS = 6
"""Pixels; standard deviation of the Gaussian of an attention check."""


@dataclass(frozen=True)
class _Shown:
    """A trial with its pictures as PNG files."""

    trial: Trial
    reference: bytes
    options: list[bytes]


def create(
    config: Config, folder: Path, methods: Sequence[str], datasets: Sequence[str], trials: int, checks: int, seed: int
) -> Key:
    """Write `study.html`, which raters open, and `key.json`, which says what they saw. The same call, the same bytes.

    Args:
        methods: the methods to rank; if empty, those of the paper's study that have images.
        datasets: the benchmarks to draw from; if empty, all.
        trials: images to rank, drawn evenly from the benchmarks; all, if there are fewer.
        checks: attention checks among them.

    Raises:
        InputError: fewer than two methods or no image to rank, or `folder` holds another study.
    """
    page = folder / "study.html"
    check_outputs({"the page": page, "the key": folder / "key.json"}, [config.path, *image_files(config)])
    for name in datasets:
        config.require_benchmark(name)
    datasets = datasets or tuple(config.preset.data.benchmarks)
    chosen = _methods(config, methods, datasets)
    candidates = [_images_of_all(config, chosen, name) for name in datasets]
    random = np.random.default_rng(seed)
    places = _draw_evenly(candidates, trials + checks, random)
    found = [picture for place in places if (picture := find(config, place, 0)) is not None]
    drawn = [replace(picture, box=strongest_square(picture.hr, _PART)) for picture in found]
    if not drawn:
        raise InputError(f"{config.layout.root / 'images'}: no image is there from all of {', '.join(chosen)}")
    ranked = drawn[:trials]
    looked_at = [drawn[(len(ranked) + i) % len(drawn)] for i in range(checks)]
    shown = [_ranking(config, picture, chosen, random) for picture in ranked]
    shown += [_attention_check(config, picture, chosen, random) for picture in looked_at]
    shown = [shown[i] for i in random.permutation(len(shown))]

    key = make_key(config.preset.preset, config.preset.mark, chosen, tuple(item.trial for item in shown))
    is_there = (folder / "key.json").exists()
    if (is_there and read_key(folder, key.preset) != key) or (page.exists() and not is_there):
        raise InputError(f"{folder}: holds another study, whose ballots need its key; move it away, or give --out")
    write_key(key, folder)
    write_text(page, _page(key, shown))
    return key


def _methods(config: Config, asked: Sequence[str], datasets: Sequence[str]) -> tuple[str, ...]:
    def has_images(method: str) -> bool:
        return any(method_files(config, method, dataset) for dataset in datasets)

    for name in asked:
        config.method(name)
        if not has_images(name):
            raise InputError(f"method '{name}': no images under {config.layout.root}; run `spsr evaluate {name}`")
    found = tuple(dict.fromkeys(asked or (name for name in PAPER_METHODS if has_images(name))))
    if len(found) < 2:
        raise InputError(
            f"{config.layout.root}: images of {' and '.join(found) or 'no method'}, but a ranking needs two methods; "
            "run `spsr evaluate`, or name others by --method"
        )
    return found


def _images_of_all(config: Config, methods: Sequence[str], dataset: str) -> list[Crop]:
    folder = config.layout.benchmark(dataset) / "HR"
    if not folder.is_dir():
        return []
    common = set.intersection(*(set(method_files(config, name, dataset)) for name in methods))
    return [Crop(dataset=dataset, image=stem) for stem in image_index(folder) if plain_name(stem) in common]


def _draw_evenly(candidates: Sequence[Sequence[Crop]], count: int, random: np.random.Generator) -> list[Crop]:
    """Up to `count` images: one of each benchmark in turn, each image once."""
    shuffled = [[images[i] for i in random.permutation(len(images))] for images in candidates]
    in_turn = [crop for turn in zip_longest(*shuffled) for crop in turn if crop is not None]
    return in_turn[:count]


def _ranking(config: Config, picture: Picture, methods: Sequence[str], random: np.random.Generator) -> _Shown:
    return _shown(picture, {name: _pixels(config, name, picture) for name in methods}, random)


def _attention_check(config: Config, picture: Picture, methods: Sequence[str], random: np.random.Generator) -> _Shown:
    """As a ranking, but two methods, drawn anew, give their places to the original and a blurred copy of it."""
    left = random.permutation(np.array(methods))[2:]
    blurred = Image.fromarray(picture.cut(picture.hr)).filter(ImageFilter.GaussianBlur(_BLUR_RADIUS))
    options = {ORIGINAL: picture.cut(picture.hr), BLURRED: np.asarray(blurred)}
    return _shown(picture, options | {str(name): _pixels(config, str(name), picture) for name in left}, random)


def _pixels(config: Config, method: str, picture: Picture) -> RGB:
    pixels = method_pixels(config, method, picture)
    if pixels is None:
        place = f"{method}/{picture.dataset}/{picture.image}"
        raise InputError(f"{place}: the result has not the original's size; run `spsr evaluate {method}` again")
    return picture.cut(pixels)


def _shown(picture: Picture, options: dict[str, RGB], random: np.random.Generator) -> _Shown:
    names = [list(options)[i] for i in random.permutation(len(options))]
    files = [_png(options[name]) for name in names]
    blinded = tuple(
        Option(shows=name, sha256=hashlib.sha256(file).hexdigest()) for name, file in zip(names, files, strict=True)
    )
    trial = Trial(dataset=picture.dataset, image=picture.image, box=picture.box, options=blinded)
    return _Shown(trial, _png(picture.cut(picture.hr)), files)


def _png(image: RGB) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, format="PNG")
    return buffer.getvalue()


def _page(key: Key, shown: Sequence[_Shown]) -> str:
    """The page knows the pictures by number only."""
    data = {
        "study": key.study,
        "trials": [
            {"reference": _address(item.reference), "options": [_address(file) for file in item.options]}
            for item in shown
        ],
    }
    return environment().get_template("study.html.j2").render(data=inside_script(data), count=len(shown))


def _address(png: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"
