"""What the training of a method reads: one list for the graph of jobs, the identity of a run and the plan."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from spsr.config import Config
from spsr.config.settings import NATURALNESS
from spsr.data import weights
from spsr.data.hashing import file_hash, hash_beside, verify
from spsr.data.pack import open_pack
from spsr.errors import InputError
from spsr.plugins import source_file


@dataclass(frozen=True)
class Input:
    """A file that a training reads beside the training images.

    Attributes:
        purpose: what it is to the training; the record of a run names its hash so.
        file: where it lies, or will.
        run: the method, extractor or judge whose training here makes it; none for a file from elsewhere.
        seed: of that training.
        entry: the registry's entry that it is fetched by; none for other files.
    """

    purpose: str
    file: Path
    run: str | None = None
    seed: int = 0
    entry: str | None = None


def training_inputs(config: Config, name: str) -> tuple[Input, ...]:
    """The inputs of the training of a method; an extractor and the judge have none but the training images."""
    return tuple(_inputs(config, name)) if name in config.methods else ()


def _inputs(config: Config, name: str) -> Iterator[Input]:
    method = config.method(name)
    made = {purpose: weights_of(config, start, purpose) for purpose, start in config.starts_of(name).items()}
    if "initial weights" in made:
        yield made["initial weights"]
    if method.needs_perceptual:
        yield _fetched("perceptual", config.preset.perceptual.weights)
    if "extractor" in made:
        yield made["extractor"]
    if maps := config.map_weights(name):
        yield _fetched("probability maps", maps)
    if "naturalness" in made:
        yield made["naturalness"]
    for reference in method.code:
        yield Input(f"code of {reference}", source_file(reference))


def weights_of(config: Config, name: str, purpose: str = "weights") -> Input:
    """The weights of a method, an extractor or the judge: of the registry, else of the training with the first seed."""
    if name in config.extractors:
        entry = config.extractor_weights(name)
    else:
        entry = None if name == NATURALNESS else config.method(name).weights
    if entry is not None:
        return _fetched(purpose, entry)
    seed = config.seeds(name)[0]
    return Input(purpose, config.layout.model(name, seed), name, seed)


def _fetched(purpose: str, entry: str) -> Input:
    return Input(purpose, weights.stored(entry), entry=entry)


def present(config: Config, needed: Input) -> Path:
    """The file of an input.

    Raises:
        InputError: it is not there, with the command that makes or gets it.
    """
    if needed.entry is not None:
        return weights.path(needed.entry)
    command = f"spsr {'train' if needed.run in config.methods else 'pretrain'} {needed.run}"
    if needed.run is not None and not needed.file.is_file():
        raise InputError(
            f"{needed.purpose} of '{needed.run}': {needed.file} is not there; "
            f"run `{command} {config.options} --seed {needed.seed}`"
        )
    if needed.run is not None:
        verify(needed.file, hash_beside(needed.file), f"run its `{command} {config.options}` again")
    return needed.file


def weights_file(config: Config, name: str) -> Path:
    """The file with the weights of a method, an extractor or the judge; see `present`."""
    return present(config, weights_of(config, name))


def input_hashes(config: Config, name: str) -> dict[str, str]:
    """SHA-256 of every file that the weights of a method, an extractor or the judge depend on, by its purpose.

    Raises:
        InputError: a file is not there, with the command that makes it.
    """
    index = config.layout.training_pack
    if not index.is_file():
        raise InputError(f"{index}: no packed training images; run `spsr prepare training --configfile {config.path}`")
    open_pack(index)
    files = {"training images": index.with_name("hr.npy")}
    files |= {needed.purpose: present(config, needed) for needed in training_inputs(config, name)}
    return {purpose: file_hash(file) for purpose, file in files.items()}
