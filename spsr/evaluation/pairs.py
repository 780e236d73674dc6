"""Super-resolved images and their originals, matched by name."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from spsr.errors import InputError
from spsr.images import RGB, SCALE, crop_to_multiple, image_index, is_image, plain_name, read_rgb, select_role
from spsr.metrics.fidelity import size_text


@dataclass(frozen=True)
class Pair:
    """The files of one super-resolved image and of its original."""

    sr: Path
    hr: Path


def match(sr: Path | str, hr: Path | str) -> dict[str, Pair]:
    """Pair two image files, whatever their names, or the images of two folders (`match_folders`).

    Raises:
        InputError: as `match_folders`; one is a file and the other is none.
    """
    sr, hr = Path(sr), Path(hr)
    if not sr.is_file() and not hr.is_file():
        return match_folders(sr, hr)
    for file, other in ((sr, hr), (hr, sr)):
        if not file.is_file():
            raise InputError(f"{file}: is no file, but {other} is; name two images or two folders")
    return {hr.stem.removesuffix("_HR"): Pair(sr, hr)}


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


def read_pair(pair: Pair) -> tuple[RGB, RGB]:
    """Read one pair, HR cut to multiples of 4; InputError naming the files when the sizes differ."""
    hr = read_original(pair.hr)
    return read_result(pair, hr), hr


def read_original(file: Path) -> RGB:
    """Read an HR image, cut to multiples of 4."""
    hr = read_rgb(file)
    return crop_to_multiple(hr) if min(hr.shape[:2]) >= SCALE else hr


def read_result(pair: Pair, hr: RGB) -> RGB:
    """Read the super-resolved image of a pair; InputError naming the files when its size is not that of `hr`."""
    sr = read_rgb(pair.sr)
    if sr.shape != hr.shape:
        raise InputError(
            f"{pair.sr}: {size_text(sr)} pixels, but {pair.hr} has {size_text(hr)} (cut to multiples of {SCALE}); "
            f"both must have one size"
        )
    return sr


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
        problems.append(f"{sr_dir}: has no image for {listed(missing)} of {hr_dir}")
    if extra := [file.name for name, file in sr_by_name.items() if name not in hr_by_name]:
        problems.append(f"{sr_dir}: {listed(extra)} has no original in {hr_dir}")
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


def listed(names: list[str], most: int = 5) -> str:
    """The first names and the number of the others."""
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"
