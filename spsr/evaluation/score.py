"""Scoring a folder of super-resolved images against the originals, matched by name."""

import json
import math
import os
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from spsr.errors import InputError
from spsr.evaluation.lpips_map import write_map
from spsr.files import atomic_path, write_text
from spsr.images import RGB, SCALE, crop_to_multiple, image_index, is_image, plain_name, read_rgb, select_role
from spsr.metrics import PROTOCOLS, psnr
from spsr.metrics.fidelity import size_text, ssim_both

if TYPE_CHECKING:
    from spsr.metrics.lpips import Lpips, Network

METRICS = ("lpips", "psnr", "ssim", "ssim_standard")
COLUMNS = ("image", *METRICS)

Progress = Callable[[int, int], None]
"""Called with the number of finished images and of all of them."""

_MOST_WORKERS = 8


@dataclass(frozen=True)
class Pair:
    """The files of one super-resolved image and of its original."""

    sr: Path
    hr: Path


def match_folders(sr_dir: Path | str, hr_dir: Path | str) -> dict[str, Pair]:
    """Pair the images of two folders by name, never by position.

    Two files are a pair if `spsr.images.plain_name` gives them one name: `img_001.png` and `img_001_SRF_4.png` both
    belong to `img_001_SRF_4_HR.png`. Where `hr_dir` also keeps LR images (`…_LR`), only its `…_HR` files count.
    If `hr_dir` has no images but folders (`Set5/`, `BSD100/`, …), each is paired with the folder of the same name
    in `sr_dir`.

    Returns:
        The pairs in the order of the HR names, each under the HR file's stem without `_HR`, for folders of
        folders with the folder's name and a slash before it (`Set5/img_001_SRF_4`).

    Raises:
        InputError: a folder is missing or empty; an image is missing or has no original (all are named); two
            files of one folder have the same name.
    """
    sr_dir, hr_dir = Path(sr_dir), Path(hr_dir)
    datasets = _datasets_in(hr_dir)
    if not datasets:
        return _match_flat(sr_dir, hr_dir)
    if absent := [name for name in datasets if not (sr_dir / name).is_dir()]:
        raise InputError(f"{sr_dir}: has no folder {', '.join(absent)}, which {hr_dir} has; add the results for it")
    return {
        f"{dataset}/{name}": pair
        for dataset in datasets
        for name, pair in _match_flat(sr_dir / dataset, hr_dir / dataset).items()
    }


def score_folders(
    sr_dir: Path | str,
    hr_dir: Path | str,
    lpips: "Network | None" = "alex",
    *,
    backbone: Path | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
) -> pd.DataFrame:
    """`score_pairs` of `match_folders`: scores of every image of `sr_dir` against its original in `hr_dir`."""
    pairs = match_folders(sr_dir, hr_dir)
    return score_pairs(pairs, lpips, backbone=backbone, workers=workers, progress=progress)


def score_pairs(
    pairs: Mapping[str, Pair],
    lpips: "Network | None" = "alex",
    *,
    backbone: Path | None = None,
    maps: Path | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
) -> pd.DataFrame:
    """Measure every pair; one row each, in the order of `pairs`.

    HR images are cut to multiples of 4 first. See `spsr.metrics.PROTOCOLS` for what each column is.

    Args:
        pairs: the files by image name.
        lpips: the network of LPIPS, or None to leave the column empty (NaN) and import no torch.
        backbone: its ImageNet weights, by default from the weight registry.
        maps: a folder to which the LPIPS map of each image is written, see `lpips_map.write_map`.
        workers: images measured at a time, by default one for each core up to 8 (one for `vgg`, which needs much
            memory). The numbers do not depend on it while it is above 1.
        progress: called after each image, from the calling thread.

    Returns:
        A frame with the columns `image, lpips, psnr, ssim, ssim_standard`.

    Raises:
        InputError: an image cannot be read, is too small, or its size is not that of its original (all such
            pairs are named); the weights for LPIPS are missing.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if workers is None:
        workers = 1 if lpips == "vgg" else min(cores, _MOST_WORKERS)
    workers = max(1, min(workers, len(pairs)))
    if lpips is None:
        return _measure_all(pairs, None, None, workers, progress)

    from spsr.data import weights
    from spsr.metrics.lpips import WEIGHTS, Lpips

    distance = Lpips(lpips, backbone or weights.path(WEIGHTS[lpips]))
    with _torch_threads(1 if workers > 1 else cores):
        return _measure_all(pairs, distance, maps, workers, progress)


def means_by_dataset(frame: pd.DataFrame) -> pd.DataFrame:
    """The arithmetic mean of every metric over each dataset's images, and their number `n_images`.

    Datasets are what stands before the slash of the image names; images without one make up a single dataset "".
    """
    datasets = frame["image"].map(lambda name: name.rpartition("/")[0]).rename("dataset")
    grouped = frame.groupby(datasets, sort=False)
    return grouped[list(METRICS)].mean().assign(n_images=grouped.size())


def write_csv(frame: pd.DataFrame, path: Path | str) -> None:
    """Write the per-image scores, atomically; empty cells are metrics that were not computed."""
    with atomic_path(path) as temporary:
        frame.to_csv(temporary, index=False)


def read_csv(path: Path | str) -> pd.DataFrame:
    """Read what `write_csv` wrote.

    Raises:
        InputError: the file is missing or has other columns.
    """
    try:
        frame = pd.read_csv(
            path, dtype={"image": str}, keep_default_na=False, na_values={metric: [""] for metric in METRICS}
        )
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: not a readable score file ({error}); score the images again") from error
    if tuple(frame.columns) != COLUMNS:
        raise InputError(f"{path}: its columns are not {','.join(COLUMNS)}; score the images again")
    return frame


def write_json(frame: pd.DataFrame, path: Path | str, lpips: str | None = "alex") -> None:
    """Write the dataset means, the per-image scores and the protocol of each metric, atomically.

    JSON has no infinity: the PSNR of equal images, and a mean with it, is the string "inf". A metric that was not
    computed is null.
    """
    means = means_by_dataset(frame)
    document = {
        "scale": SCALE,
        "protocol": {**PROTOCOLS, "lpips": f"{PROTOCOLS['lpips']}; network here: {lpips or 'none, not computed'}"},
        "n_images": len(frame),
        "datasets": {
            str(name): {key: _json_number(value) for key, value in row.items()}
            for name, row in means.to_dict("index").items()
        },
        "images": [{key: _json_number(value) for key, value in row.items()} for row in frame.to_dict("records")],
    }
    write_text(path, json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def read_pair(name: str, pair: Pair) -> tuple[RGB, RGB]:
    """Read one pair, HR cut to multiples of 4; InputError naming the files when the sizes differ."""
    sr, hr = read_rgb(pair.sr), read_rgb(pair.hr)
    if min(hr.shape[:2]) >= SCALE:
        hr = crop_to_multiple(hr)
    if sr.shape != hr.shape:
        raise InputError(
            f"{pair.sr}: {size_text(sr)} pixels, but {pair.hr} has {size_text(hr)} (cut to multiples of {SCALE}); "
            f"both must have one size"
        )
    return sr, hr


def _datasets_in(folder: Path) -> list[str]:
    """The names of the subfolders of a folder that has no images of its own."""
    if not folder.is_dir():
        return []
    entries = sorted(folder.iterdir())
    if any(is_image(entry) for entry in entries):
        return []
    return [entry.name for entry in entries if entry.is_dir() and not entry.name.startswith(".")]


def _match_flat(sr_dir: Path, hr_dir: Path) -> dict[str, Pair]:
    hr_index = select_role(image_index(hr_dir), "HR")
    sr_by_name = _by_plain_name(image_index(sr_dir))
    hr_by_name = _by_plain_name(hr_index)
    problems = []
    if missing := [file.name for name, file in hr_by_name.items() if name not in sr_by_name]:
        problems.append(f"{sr_dir}: has no image for {_listed(missing)} of {hr_dir}")
    if extra := [file.name for name, file in sr_by_name.items() if name not in hr_by_name]:
        problems.append(f"{sr_dir}: {_listed(extra)} has no original in {hr_dir}")
    if problems:
        raise InputError("; ".join(problems) + "; both folders must hold the same images by name")
    return {file.stem.removesuffix("_HR"): Pair(sr_by_name[name], file) for name, file in hr_by_name.items()}


def _by_plain_name(index: Mapping[str, Path]) -> dict[str, Path]:
    by_name: dict[str, Path] = {}
    for stem, path in index.items():
        name = plain_name(stem)
        if name in by_name:
            raise InputError(f"{path}: and {by_name[name].name} are both image {name!r}; keep one of them")
        by_name[name] = path
    return by_name


def _listed(names: list[str], most: int = 5) -> str:
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"


def _measure_all(
    pairs: Mapping[str, Pair],
    distance: "Lpips | None",
    maps: Path | None,
    workers: int,
    progress: Progress | None,
) -> pd.DataFrame:
    rows: dict[str, dict[str, float]] = {}
    problems: dict[str, InputError] = {}
    with ThreadPoolExecutor(workers) as pool:
        futures = {pool.submit(_measure, name, pair, distance, maps): name for name, pair in pairs.items()}
        try:
            for done, future in enumerate(as_completed(futures), start=1):
                try:
                    rows[futures[future]] = future.result()
                except InputError as error:
                    problems[futures[future]] = error
                if progress:
                    progress(done, len(pairs))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    if problems:
        raise InputError(_listed([str(problems[name]) for name in pairs if name in problems]))
    return pd.DataFrame([{"image": name, **rows[name]} for name in pairs], columns=list(COLUMNS))


def _measure(name: str, pair: Pair, distance: "Lpips | None", maps: Path | None) -> dict[str, float]:
    sr, hr = read_pair(name, pair)
    try:
        similarity, standard = ssim_both(sr, hr)
        return {
            "lpips": _lpips(name, sr, hr, distance, maps),
            "psnr": psnr(sr, hr),
            "ssim": similarity,
            "ssim_standard": standard,
        }
    except InputError as error:
        raise InputError(f"{pair.sr}: {error}") from error


def _lpips(name: str, sr: RGB, hr: RGB, distance: "Lpips | None", maps: Path | None) -> float:
    if distance is None:
        return math.nan
    if maps is None:
        return distance(sr, hr)
    value, where = distance.spatial(sr, hr)
    write_map(maps / f"{name}.png", where)
    return value


@contextmanager
def _torch_threads(count: int) -> Iterator[None]:
    """Within the block, torch computes with `count` threads in every thread that starts."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _json_number(value: object) -> object:
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else "inf"
    return value
