"""What travels with exported weights: what they are, how they were trained, under which licence."""

import json
from importlib.metadata import metadata
from pathlib import Path

from torch import nn

from spsr.config import Config
from spsr.config.method import Method
from spsr.data import registry
from spsr.data.hashing import file_hash
from spsr.models import architecture
from spsr.results.runs import Run

NOT_STATED = "not stated"


def card_of_file(file: Path, network: nn.Module) -> dict[str, str]:
    """What a checkpoint itself shows; the keys are OpenModelDB's, where it has one."""
    name, size = architecture(network)
    return {
        "name": file.stem,
        "network": name,
        "network_size": json.dumps(size, sort_keys=True),
        "scale": str(size.get("scale", 4)),
        "inputChannels": "3",
        "outputChannels": "3",
        "licence": NOT_STATED,
        "exported_from_sha256": file_hash(file),
    }


def card_of_method(config: Config, name: str, seed: int, file: Path, network: nn.Module) -> dict[str, str]:
    """The same of a method's weights, with what its preset, its run and the registries say of them."""
    method = config.method(name)
    card = card_of_file(file, network) | {"name": method.title, "method": name, "preset": config.preset.preset}
    if config.preset.mark:
        card["mark"] = config.preset.mark
    if method.weights is not None:
        released = registry.weight(method.weights)
        return card | {"licence": released.licence, "citation": released.citation}
    return card | _training(config, method, name, seed) if method.source == "trained" else card


def _training(config: Config, method: Method, name: str, seed: int) -> dict[str, str]:
    schedule, sources = config.schedule(method.schedule), config.preset.data.training_sources
    licence = metadata("spsr")["License-Expression"]
    found = {
        "seed": str(seed),
        "training": json.dumps(Run(config, name, seed).resolved, sort_keys=True),
        "trainingIterations": str(schedule.iterations),
        "trainingBatchSize": str(schedule.batch),
        "trainingHRSize": str(schedule.patch),
        "trainingLosses": ", ".join(f"{term.weight:g} {term.name}" for term in method.losses.terms()),
        "dataset": ", ".join(source.dataset or source.folder or "scikit-image's photographs" for source in sources),
        "licence": licence,
    }
    if licences := {registry.dataset(source.dataset).licence for source in sources if source.dataset}:
        found["licence"] += f"; trained on images under: {', '.join(sorted(licences))}"
    return found | ({"pretrainedModelG": method.init_from} if method.init_from else {})
