"""Datasets and weights under one roof, by name, as `spsr fetch` sees them."""

from collections.abc import Iterator
from pathlib import Path

from spsr.data import datasets, registry, weights
from spsr.data.passport import write_passport
from spsr.progress import Progress, silent


def known() -> list[str]:
    """Every name that can be fetched: weights, then datasets."""
    return [*registry.weights(), *registry.datasets()]


def automatic() -> list[str]:
    """The names that have an address other than a page to download from by hand."""
    sources = {name: entry.sources for name, entry in registry.weights().items()}
    sources |= {name: entry.sources for name, entry in registry.datasets().items()}
    return [name for name, of_entry in sources.items() if any(source.kind != "page" for source in of_entry)]


def fetch(name: str, folder: Path | None = None, progress: Progress = silent) -> Iterator[str]:
    """Fetch one weight or dataset and yield what there is to say of it, a line each.

    A dataset gets its passport; what the passport finds wrong is said, and is no failure.

    Raises:
        InputError: unknown name, no source worked, or `folder` lacks it.
    """
    if name in registry.weights():
        file = weights.fetch(name, folder=folder, progress=progress)
        yield f"{name}: {file} (from {weights.record(name)['source']})"
        return
    found = datasets.fetch(name, folder=folder, progress=progress)
    passport = write_passport(name, progress=progress)
    yield f"{name}: {len(found)} images in {next(iter(found.values())).parent} (from {passport['source']})"
    for problem in passport["problems"]:
        yield f"{name}: warning: {problem}"


def listing() -> Iterator[str]:
    """One line for every name: its state, title and licence."""
    width = max(map(len, known()))
    for name, weight in registry.weights().items():
        yield f"{name:{width}}  {_state(weights.available(name), name)}  {weight.title}; {weight.licence}"
    for name, dataset in registry.datasets().items():
        yield f"{name:{width}}  {_state(datasets.available(name), name)}  {dataset.title}; {dataset.licence}"


def _state(here: bool, name: str) -> str:
    return "here   " if here else "-      " if name in automatic() else "by hand"
