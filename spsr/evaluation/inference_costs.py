"""What each method of a preset costs to use on this machine, and the file that says so."""

import json

import torch
from pydantic import NonNegativeFloat, NonNegativeInt, PositiveFloat, TypeAdapter

from spsr import models
from spsr.config import Config
from spsr.config.strict import Strict
from spsr.evaluation.upscale_run import weights_file
from spsr.files import read_json, write_text
from spsr.models.inference_cost import BICUBIC, NetworkCost, cost_of
from spsr.pipeline.roster import roster
from spsr.plugins import is_reference
from spsr.progress import Progress, silent


class InferenceCost(Strict):
    """A method with the cost of its network; fields as `NetworkCost` has them."""

    method: str
    network: str
    parameters: NonNegativeInt
    flops: NonNegativeInt
    seconds: PositiveFloat
    peak_memory_mb: NonNegativeFloat
    device: str


_COSTS = TypeAdapter(list[InferenceCost])


def measure_inference(config: Config, progress: Progress = silent) -> list[InferenceCost]:
    """Measure every method that the preset runs, networks of one shape once, and write `Layout.inference`.

    Networks that are trained here have random weights, so that no training is needed; those of released weights
    and of others' checkpoints are read. A row of someone's images has no cost.

    Raises:
        InputError: released weights or a checkpoint are not there.
        RunFailed: a network does not fit into memory.
    """
    methods = [name for name in roster(config) if config.method(name).images is None]
    measured: dict[str, NetworkCost] = {}
    costs = []
    for done, name in enumerate(methods):
        progress(done, len(methods), name)
        subject, shape = _subject(config, name)
        if shape not in measured:
            measured[shape] = cost_of(subject, config.preset.compute.threads)
        network = json.loads(shape)[0]
        costs.append(InferenceCost(method=name, network=network, **vars(measured[shape])))
    progress(len(methods), len(methods), "")
    write_text(config.layout.inference, json.dumps([cost.model_dump() for cost in costs], indent=1) + "\n")
    return costs


def read_inference(config: Config) -> list[InferenceCost]:
    """What was measured of the preset's methods; empty if nothing was, `InputError` if the file is damaged."""
    file = config.layout.inference
    if not file.is_file():
        return []
    costs = read_json(file, _COSTS, "run `spsr methods --inference` again")
    return [cost for cost in costs if cost.method in config.methods]


def _subject(config: Config, name: str) -> tuple[dict[str, object], str]:
    """What is measured of a method, and the shape of its network as JSON: its name, sizes, and the file of a foreign
    architecture."""
    method = config.method(name)
    if method.source == "computed":
        return {"architecture": BICUBIC}, json.dumps([BICUBIC])
    if method.source == "trained" and method.generator is not None:
        with torch.device("cpu" if is_reference(method.generator.name) else "meta"):
            network = models.build(method.generator.name, **config.generator_size(name))
        architecture, size = models.architecture(network)
        subject: dict[str, object] = {"architecture": architecture, "size": size}
    else:
        file = weights_file(config, name, config.seeds(name)[0])
        architecture, size = models.architecture(models.from_checkpoint(file, scale=4, code=method.code))
        subject = {"file": str(file), "code": list(method.code)}
    own = architecture in models.GENERATORS or is_reference(architecture)
    shape = {key: value for key, value in size.items() if key != "maps"}
    return subject, json.dumps([architecture, shape, "" if own else subject.get("file")], sort_keys=True)
