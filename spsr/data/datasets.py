"""Benchmark and training images: fetching them on a machine with a network, and finding them in a job."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from spsr.config.layout import resources
from spsr.data.fetching.archives import extract, members
from spsr.data.fetching.sources import AnySource, obtain
from spsr.data.hashing import SourceError
from spsr.data.matching import ClashError, match
from spsr.data.provenance import read_provenance, write_provenance
from spsr.data.registry import Dataset, dataset
from spsr.data.spectrum import looks_upsampled
from spsr.errors import InputError
from spsr.files import alone, new_folder, remove_leftovers
from spsr.images import read_rgb
from spsr.progress import Progress, silent

_DEPTH = 3
_SAMPLE = 20


def images(name: str) -> dict[str, Path]:
    """The HR image files of the dataset `name` by canonical image name, in the canonical order.

    Looked for in the folder `SPSR_DATASETS` names, then where `spsr fetch` put them. The i-th image is SelfExSR's
    `img_i` (Set5: baby, bird, butterfly, head, woman). Nothing is ever downloaded here.

    Raises:
        InputError: unknown dataset, not there, or incomplete; the missing images are named.
    """
    entry = dataset(name)
    named = os.environ.get("SPSR_DATASETS")
    if named:
        folder = Path(named).expanduser()
        if not folder.is_dir():
            raise InputError(f"SPSR_DATASETS={named}: no such folder; name the folder that holds the datasets")
        if any(True for _ in _folders_of(entry, folder)):
            return in_folder(name, folder)
    known = record(name)
    if not known:
        also = f" and not in SPSR_DATASETS={named}" if named else ""
        raise InputError(
            f"dataset '{name}': not in {stored(name)}{also}; run `spsr fetch {name}` on a machine with a network, "
            f"or set SPSR_DATASETS to a folder that has {entry.folders[0]}/"
        )
    return in_folder(name, Path(known.get("folder", stored(name))))


def in_folder(name: str, folder: Path) -> dict[str, Path]:
    """The images of the dataset `name` in `folder`, or in a folder of that dataset's name up to three levels below.

    Raises:
        InputError: no such folder, images missing, or two files for one image.
    """
    entry = dataset(name)
    if not folder.is_dir():
        raise InputError(f"dataset '{name}': {folder} is gone; run `spsr fetch {name}` again, if need be with --from")
    best: dict[str, Path] = {}
    place = folder
    for candidate, files in _candidates(entry, folder):
        try:
            found = {image: candidate / file for image, file in match(entry, sorted(files)).items()}
        except ClashError as clash:
            raise InputError(f"dataset '{name}': {clash}; keep one of them") from clash
        if len(found) == len(entry.names):
            return found
        if len(found) > len(best):
            best, place = found, candidate
    missing = [image for image in entry.names if image not in best]
    listed = ", ".join(missing[:8]) + (", …" if len(missing) > 8 else "")
    raise InputError(
        f"dataset '{name}': {len(missing)} of {len(entry.names)} images are missing in {place} ({listed}); "
        f"add them, or run `spsr fetch {name}`"
    )


def stored(name: str) -> Path:
    """Where `spsr fetch` puts the dataset `name`: `resources/datasets/NAME`."""
    return resources() / "datasets" / name


def available(name: str) -> bool:
    """Whether `images(name)` gives all images."""
    try:
        return bool(images(name))
    except (InputError, OSError):
        return False


def record(name: str) -> dict[str, str]:
    """Where the dataset `name` came from: `source` and `sha256` of the archive, or the user's `folder`; else {}."""
    return read_provenance("datasets", name)


def fetch(
    name: str, *, folder: Path | None = None, progress: Progress = silent, backoff: float = 1.0
) -> dict[str, Path]:
    """Make the dataset `name` available and return its images; nothing is done when it is there whole already.

    Args:
        folder: a folder that holds the images already; it is remembered (not copied) after a check that it is complete.

    Raises:
        InputError: no source worked, or the folder lacks images; one line with every reason.
    """
    entry = dataset(name)
    if folder is not None:
        if not folder.is_dir():
            raise InputError(f"{folder}: no such folder; name the folder that holds {name}")
        found = in_folder(name, folder.resolve())
        write_provenance("datasets", name, {"source": str(folder.resolve()), "folder": str(folder.resolve())})
        return found
    downloads = resources() / "downloads" / name
    with alone(downloads / ".lock"):
        remove_leftovers(stored(name).resolve().parent)
        if available(name):
            return images(name)
        known = record(name)
        obtain(
            name,
            entry.sources,
            downloads / f"{name}.archive",
            lambda file, source, digest: _unpack(name, entry, file, source, digest),
            recorded={known["source"]: known["sha256"]} if "sha256" in known else {},
            progress=progress,
            backoff=backoff,
        )
    return images(name)


def _unpack(name: str, entry: Dataset, archive: Path, source: AnySource, digest: str) -> None:
    """Unpack the HR images as `NAME/IMAGE.suffix`; all of them, or nothing."""
    with members(archive) as found:
        paths = [member.path for member in found]
    own = [path for path in paths if {part.lower() for part in path.parts[:-1]} & _own_names(entry)]
    try:
        chosen = match(entry, own)
        if len(chosen) < len(entry.names):
            chosen = match(entry, paths)
    except ClashError as clash:
        raise SourceError(f"in the archive {clash}") from clash
    missing = [image for image in entry.names if image not in chosen]
    if missing:
        raise SourceError(f"the archive lacks {len(missing)} of {len(entry.names)} images ({', '.join(missing[:4])})")
    target = stored(name)
    with new_folder(target, ours=bool(record(name))) as staging:
        wanted = set(chosen.values())
        extract(archive, staging / "unpacked", lambda path: path in wanted)
        for image, path in chosen.items():
            (staging / "unpacked").joinpath(*path.parts).replace(staging / f"{image}{path.suffix.lower()}")
        shutil.rmtree(staging / "unpacked")
        _refuse_upsampled(sorted(staging.iterdir()))
        facts = {"source": source.label, "sha256": digest, "licence": entry.licence, "citation": entry.citation}
        write_provenance("datasets", name, facts)  # Before the folder: one without it is not ours.


def _refuse_upsampled(files: list[Path]) -> None:
    """Archives of enlarged images are in circulation (Urban100): look at some of the images."""
    sample = files[:: max(1, len(files) // _SAMPLE)]
    try:
        enlarged = [file.name for file in sample if looks_upsampled(read_rgb(file))]
    except InputError as error:
        raise SourceError(f"the archive holds a damaged image ({error})") from error
    if 2 * len(enlarged) > len(sample):
        raise SourceError(f"its images are enlarged ones ({', '.join(enlarged[:3])}), not the originals")


def _own_names(entry: Dataset) -> set[str]:
    return {folder.lower() for folder in entry.folders}


def _folders_of(entry: Dataset, folder: Path) -> Iterator[Path]:
    """Folders of the dataset's name: `folder` itself, then those below it, the nearest first."""
    if folder.name.lower() in _own_names(entry):
        yield folder
    level = [folder]
    for _ in range(_DEPTH):
        level = [child for parent in level for child in sorted(parent.iterdir()) if child.is_dir()]
        yield from (child for child in level if child.name.lower() in _own_names(entry))


def _candidates(entry: Dataset, folder: Path) -> Iterator[tuple[Path, list[Path]]]:
    """Folders that may be the dataset with their files (relative): all files below a folder of its name, else only
    those that lie directly in `folder` or in its `HR`."""
    for candidate in _folders_of(entry, folder):
        yield (
            candidate,
            [Path(parent, name).relative_to(candidate) for parent, _, names in os.walk(candidate) for name in names],
        )
    for candidate in (folder, folder / "HR"):
        if candidate.is_dir():
            yield candidate, [file.relative_to(candidate) for file in candidate.iterdir()]
