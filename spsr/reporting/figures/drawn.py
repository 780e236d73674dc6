"""Which figures are as what they show would be drawn now: a record beside them of what each was drawn from."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path

from pydantic import TypeAdapter

from spsr.config import Config
from spsr.config.figure import FIGURES_FILE, ORIGINAL, FigureData, figure_data
from spsr.config.settings import NATURALNESS
from spsr.config.strict import Strict
from spsr.config.yaml_source import Source
from spsr.data import weights
from spsr.data.hashing import file_hash, known_hash
from spsr.errors import InputError
from spsr.files import read_json, write_text
from spsr.reporting.figures.gradients import METHOD

_PACKAGE = Path(__file__).parents[2]


class Drawn(Strict):
    """A figure that was drawn.

    Attributes:
        inputs: sha256 of what it was drawn from, see `inputs_of`.
        files: sha256 of its files by name.
        reason: why there was nothing to show, in place of the figure; else empty.
    """

    inputs: str
    files: dict[str, str]
    reason: str = ""

    def stands(self, folder: Path, inputs: str) -> bool:
        """Whether the same figure, whole, lies in `folder`."""
        whole = ((folder / name).is_file() and file_hash(folder / name) == sha for name, sha in self.files.items())
        return self.inputs == inputs and all(whole)


_RECORD = TypeAdapter(dict[str, Drawn])


def read_drawn(folder: Path) -> dict[str, Drawn]:
    """What the record of a folder of figures says of each; nothing if there is none, or it is damaged."""
    try:
        return read_json(folder / "drawn.json", _RECORD, "draw the figures again")
    except InputError:
        return {}


def write_drawn(folder: Path, drawn: Mapping[str, Drawn]) -> None:
    """Write the record of a folder of figures."""
    content = {name: figure.model_dump() for name, figure in drawn.items()}
    write_text(folder / "drawn.json", json.dumps(content, indent=1) + "\n")


def drawn_now(inputs: str, files: Iterable[Path], reason: str = "") -> Drawn:
    """The entry of a figure whose files have just been written."""
    return Drawn(inputs=inputs, files={file.name: file_hash(file) for file in files}, reason=reason)


def inputs_of(config: Config, name: str) -> str:
    """The sha256 of all that a figure is drawn from: this program, its settings, and its files."""
    declared = figure_data(name) if name in Source(FIGURES_FILE).data else None
    shown = sorted(config.methods if declared is None else {METHOD, *declared.methods} - {ORIGINAL})
    settings = [
        config.preset.model_dump(mode="json", include={"mark", "seeds", "more_seeds", "data", "only"}),
        [config.method(method).model_dump(mode="json") for method in shown],
        [extractor.model_dump(mode="json") for extractor in config.extractors.values()],
        declared and declared.model_dump(mode="json"),
    ]
    files = {str(file): known_hash(file) if file.is_file() else "" for file in _files_of(config, name, declared)}
    return hashlib.sha256(json.dumps([_program(), settings, files], sort_keys=True).encode()).hexdigest()


@cache
def _program() -> list[str]:
    return [file_hash(file) for file in sorted(_PACKAGE.rglob("*.py"))]


def _files_of(config: Config, name: str, declared: FigureData | None) -> list[Path]:
    """Files that a figure is drawn from, whether they are there or not."""
    layout = config.layout
    benchmarks = [layout.passport(dataset) for dataset in config.preset.data.benchmarks]
    if declared is not None:
        files = [*benchmarks, layout.model(METHOD, config.seeds(METHOD)[0])]
        for method in sorted({*declared.methods} - {ORIGINAL}):
            for dataset in sorted({crop.dataset for crop in declared.crops}):
                files += _results_of(config, method, dataset)
        return files
    if name == "figure4":
        return []
    if name in ("figure6", "figure14", "figure15"):
        return [layout.probe(extractor) for extractor in config.extractors]
    if name == "figure9":
        return [layout.study / "ranking.csv"]
    if name == "figure13":
        return benchmarks
    extractors = [layout.run(each, seed) for each in (*config.extractors, NATURALNESS) for seed in config.seeds(each)]
    if name == "features":
        fetched = [weights.stored(entry) for entry in map(config.extractor_weights, config.extractors) if entry]
        return [*benchmarks, *(run.model for run in extractors), *fetched]
    methods = [layout.run(method, seed) for method in config.methods for seed in config.seeds(method)]
    if name == "losses":
        return [file for run in (*extractors, *methods) for file in (run.model, run.events)]
    scores = (
        _results_of(config, method, dataset) for method in config.methods for dataset in config.preset.data.benchmarks
    )
    return [layout.inference, *(file for files in scores for file in files)]


def _results_of(config: Config, method: str, dataset: str) -> list[Path]:
    """What stands for the images of a method, and their scores, of every seed: tables of scores check them together."""
    files = []
    for seed in config.seeds(method):
        images = config.images(method, seed, dataset)
        made = config.layout.upscaled(method, seed, dataset)
        foreign = config.method(method).images is not None
        files += sorted(images.glob("*")) if foreign else [made]
        files.append(config.layout.scores(method, seed, dataset))
    return files
