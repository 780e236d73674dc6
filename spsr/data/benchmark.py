"""A benchmark as folders of PNGs: `HR/NAME.png`, `LR/NAME.png`, and `passport.json` written last."""

import json
import os
import shutil
from functools import partial
from pathlib import Path
from typing import Any

from spsr.data.hashing import file_hash
from spsr.data.image_sets import ImageSet, read_hr
from spsr.data.parallel import for_each
from spsr.data.passport import passport
from spsr.files import write_text
from spsr.images import SCALE, degrade, write_png
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
    """Write the HR images (cut to multiples of 4) and the 8-bit LR images of a benchmark, and their passport.

    Everything appears at once in `out`, which holds nothing else afterwards. A finished benchmark of the same
    files, crop and border is kept.

    Args:
        border: what lies beyond the image's edge for the reduction: `mirror` as the paper's code, or
            `replicate` (with rounding after each direction) as the LR images of SelfExSR's archives.

    Returns:
        The passport, with `prepared` (crop, border, scale) added.
    """
    sources = {image: file_hash(file) for image, file in images.files.items()}
    settings = {"scale": SCALE, "crop": images.crop, "border": border}
    kept = _finished(out, sources, settings)
    if kept is not None:
        return kept
    staging = out.with_name(f".{out.name}.{os.getpid()}.part")
    shutil.rmtree(staging, ignore_errors=True)
    try:
        work = partial(_write, staging, images.crop, border)
        for done in for_each(work, list(images.files.items()), processes):
            progress(done, len(images.files), name)
        content = {**passport(name, dict(images.files), registered=images.dataset), "prepared": settings}
        write_text(staging / "passport.json", json.dumps(content, indent=2) + "\n")
        shutil.rmtree(out, ignore_errors=True)
        staging.replace(out)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return content


def _write(folder: Path, crop: int | None, border: Border, item: tuple[str, Path]) -> None:
    name, file = item
    image = read_hr(file, crop)
    write_png(folder / "HR" / f"{name}.png", image)
    lr = degrade(image) if border == "mirror" else imresize_stepwise_uint8(image, 1 / SCALE)
    write_png(folder / "LR" / f"{name}.png", lr)


def _finished(out: Path, sources: dict[str, str], settings: dict[str, Any]) -> dict[str, Any] | None:
    try:
        content: dict[str, Any] = json.loads((out / "passport.json").read_text(encoding="utf-8"))
        same = {image["name"]: image["sha256"] for image in content["images"]} == sources
        complete = all((out / kind / f"{name}.png").is_file() for kind in ("HR", "LR") for name in sources)
        return content if same and complete and content["prepared"] == settings else None
    except (OSError, ValueError, KeyError):
        return None
