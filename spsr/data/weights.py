"""Pretrained weights: fetching them on a machine with a network, and finding them in a job."""

import itertools
import shutil
from pathlib import Path

from spsr.config.layout import resources
from spsr.data.fetching.sources import AnySource, known_sha256, obtain
from spsr.data.hashing import SourceError, check_file, file_hash, verify
from spsr.data.provenance import read_provenance, write_provenance
from spsr.data.registry import Weight, weight
from spsr.errors import InputError
from spsr.files import alone, atomic_path
from spsr.progress import Progress, silent


def stored(name: str) -> Path:
    """Where the weight `name` lies once it is fetched: `resources/weights/NAME.<suffix>`."""
    return resources() / "weights" / f"{name}{weight(name).suffix}"


def path(name: str) -> Path:
    """The fetched file of the weight `name`; nothing is ever downloaded here.

    Raises:
        InputError: unknown name, not fetched yet, or damaged since.
    """
    file = stored(name)
    if not file.is_file():
        raise InputError(f"weights '{name}': {file} is not there; run `spsr fetch {name}` on a machine with a network")
    return verify(file, record(name).get("sha256"), f"run `spsr fetch {name}` to get it again")


def available(name: str) -> bool:
    """Whether the weight `name` has been fetched, and is what was fetched."""
    try:
        return path(name).is_file()
    except InputError:
        return False


def record(name: str) -> dict[str, str]:
    """What is recorded of a fetched weight (`source`, `source_sha256`, `sha256`, `preprocessing`, …), or {}."""
    return read_provenance("weights", name)


def fetch(name: str, *, folder: Path | None = None, progress: Progress = silent, backoff: float = 1.0) -> Path:
    """Fetch, check and convert the weight `name`, if it is not there whole already.

    Args:
        folder: a folder that already holds the released file; it is searched instead of the network.

    Raises:
        InputError: no source worked, or the folder does not hold the file; one line with every reason.
    """
    entry, target = weight(name), stored(name)
    downloads = resources() / "downloads" / name
    with alone(downloads / ".lock"):
        known = record(name)
        if target.is_file() and known.get("sha256") == file_hash(target):
            return target
        if folder is not None:
            return _import(name, entry, folder)
        return obtain(
            name,
            entry.sources,
            downloads / entry.file,
            lambda file, source, digest: _store(name, entry, file, source, digest),
            recorded=_expected(entry) | ({known["source"]: known["source_sha256"]} if "source_sha256" in known else {}),
            progress=progress,
            backoff=backoff,
        )


def _expected(entry: Weight) -> dict[str, str]:
    """The known sha256 of the released file by its sources that do not publish one themselves."""
    known = {source.label: known_sha256(entry.sources, source) for source in entry.sources}
    return {label: digest for label, digest in known.items() if digest is not None}


def _import(name: str, entry: Weight, folder: Path) -> Path:
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; name the folder that holds {entry.file}")
    found = sorted(folder.rglob(entry.file))
    if not found:
        raise InputError(f"{folder}: holds no {entry.file}; name the folder with the released file of '{name}'")
    reasons = []
    for file, source in itertools.product(found, entry.sources):
        try:
            return _store(name, entry, file, source, check_file(file, known_sha256(entry.sources, source)))
        except SourceError as error:
            reasons.append(str(error))
    said, files = "; ".join(dict.fromkeys(reasons)), ", ".join(map(str, found))
    raise InputError(f"{files}: is not the released file of '{name}' ({said}); download it again")


def _store(name: str, entry: Weight, file: Path, source: AnySource, digest: str) -> Path:
    from spsr.data.fetching.convert import convert, load_checkpoint  # The graph asks what is fetched, without torch.
    from spsr.tensors import write_safetensors

    target = stored(name)
    facts = {
        "source": source.label,
        "source_sha256": digest,
        "preprocessing": entry.preprocessing,
        "licence": entry.licence,
        "citation": entry.citation,
    }
    if source.format == "keep":
        if entry.suffix in (".pth", ".pt"):
            load_checkpoint(file)
        with atomic_path(target) as temporary:
            shutil.copyfile(file, temporary)
    else:
        write_safetensors(target, convert(file, source.format), facts)
    write_provenance("weights", name, facts | {"sha256": file_hash(target)})
    return target
