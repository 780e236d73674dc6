"""Checks of the machine at hand: environment, folders, weights, data, disk."""

import importlib
import os
import platform
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

from spsr.cluster.requests import read_plan
from spsr.config import Config, resources
from spsr.data import weights
from spsr.data.benchmark import recorded, require
from spsr.data.inputs import Input, present
from spsr.data.pack import open_pack, read_index
from spsr.doctor.finding import Finding
from spsr.errors import InputError
from spsr.evaluation.measurement import measurement_file
from spsr.pipeline import Pipeline

_PACKAGES = ("torch", "torchvision", "lpips", "skimage", "mlflow", "snakemake")
_GB = 1e9


def check_machine(pipeline: Pipeline) -> Iterator[Finding]:
    """Everything that a run of a preset needs of the machine at hand."""
    yield _environment()
    yield _device()
    for folder in (pipeline.config.layout.root, resources()):
        yield _writable(folder)
    yield _weights(pipeline)
    yield _data(pipeline)
    yield from check_recorded(pipeline)
    yield from unrecorded(pipeline)
    yield _disk(pipeline.config)


def _environment() -> Finding:
    lacking = []
    for name in _PACKAGES:
        try:
            _import(name)
        except (ImportError, RuntimeError) as error:
            lacking.append(f"{name} ({str(error).splitlines()[0]})")
    found = f"Python {platform.python_version()}"
    if lacking:
        return Finding("environment", f"{found}, without {', '.join(lacking)}", "run `make setup`")
    import torch

    return Finding("environment", f"{found}, torch {torch.__version__}, {len(_PACKAGES)} packages import")


def _import(package: str) -> None:
    if package == "torchvision":
        from spsr.metrics.torchvision_ops import import_torchvision

        import_torchvision()
    importlib.import_module(package)


def _device() -> Finding:
    import torch

    if torch.cuda.is_available():
        return Finding("device", f"{torch.cuda.device_count()} x {torch.cuda.get_device_name(0)}")
    return Finding("device", f"CPU with {os.cpu_count()} cores; no GPU here, which a submitting machine does not need")


def _writable(folder: Path) -> Finding:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / f".doctor.{os.getpid()}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        return Finding("folder", f"{folder}: {error.strerror}", "choose a place that you can write to")
    return Finding("folder", f"{folder} can be written")


def _weights(pipeline: Pipeline) -> Finding:
    lacking = [name for name in pipeline.weights if not weights.stored(name).is_file()]
    if lacking:
        remedy = f"run `spsr fetch {' '.join(lacking)}` where there is a network; the workflow does it, too"
        return Finding("weights", f"{', '.join(lacking)} not here yet", remedy, fatal=False)
    return Finding("weights", f"all {len(pipeline.weights)} here")


def _data(pipeline: Pipeline) -> Finding:
    data = pipeline.config.preset.data
    sources = [*data.training_sources, *data.benchmarks.values()]
    wanted = {source.dataset for source in sources if source.dataset is not None}
    lacking = sorted(name for name in wanted if not (pipeline.datasets_folder / name / "passport.json").is_file())
    folders = [source.folder for source in sources if source.folder is not None]
    absent = [folder for folder in folders if not Path(folder).is_dir()]
    if absent:
        return Finding("data", f"no folder {', '.join(absent)}", f"correct it in {pipeline.config.path}")
    if lacking:
        remedy = f"run `spsr fetch {' '.join(lacking)}` where there is a network; the workflow does it, too"
        return Finding("data", f"{', '.join(lacking)} not here yet", remedy, fatal=False)
    return Finding("data", f"all {len(wanted) + len(folders)} datasets and folders here")


def check_recorded(pipeline: Pipeline) -> Iterator[Finding]:
    """A line for everything that is here and is not what was recorded of it: images, weights and trained models."""
    config, layout = pipeline.config, pipeline.config.layout
    prepare = f"run `spsr prepare NAME --configfile {config.path}`"
    checks: list[tuple[str, Path, Callable[[], object]]] = [
        ("weights", weights.stored(name), partial(weights.path, name)) for name in pipeline.weights
    ]
    checks.append(("training images", layout.training_pack, partial(open_pack, layout.training_pack)))
    for name in pipeline.benchmarks:
        folder, remedy = layout.benchmark(name), prepare.replace("NAME", name)
        checks.append(("benchmark", layout.passport(name), partial(require, folder, remedy)))
    for name in pipeline.trainings:
        for seed in config.seeds(name):
            model = Input("weights", layout.model(name, seed), name, seed)
            checks.append(("model", model.file, partial(present, config, model)))
    for what, file, check in checks:
        try:
            _ = check() if file.is_file() else None
        except InputError as error:
            found, _, remedy = str(error).partition("; ")
            yield Finding(what, found, remedy)


def unrecorded(pipeline: Pipeline) -> Iterator[Finding]:
    """A line for what earlier versions wrote without hashes, so that nothing can tell whether it is whole."""
    layout = pipeline.config.layout
    with suppress(InputError):  # What is damaged has its line already.
        found = [layout.passport(name) for name in pipeline.benchmarks if not recorded(layout.benchmark(name))]
        if layout.training_pack.is_file() and "sha256" not in read_index(layout.training_pack):
            found.append(layout.training_pack)
        found += [file for file in layout.root.glob("scores/*/*/*.csv") if not measurement_file(file).is_file()]
        if there := [file for file in found if file.is_file()]:
            text = f"{len(there)} files of an earlier version, which recorded none, are read unchecked, as {there[0]}"
            yield Finding("hashes", text, "prepare or evaluate again to have them checked", fatal=False)


def _disk(config: Config) -> Finding:
    free = shutil.disk_usage(config.layout.root).free / _GB
    plan = config.layout.root / "plan.json"
    try:
        content = read_plan(config)
        needed = (content["disk"] + content["disk_while_running"]) / _GB
    except InputError:
        remedy = f"run `spsr plan --configfile {config.path} --json > {plan}` to know what is needed"
        return Finding("disk", f"{free:.0f} GB free under {config.layout.root}", remedy, fatal=False)
    found = f"{free:.0f} GB free under {config.layout.root}, weights and checkpoints take {needed:.1f} GB"
    return Finding("disk", found, "" if free > needed else "free some space or move the repository")
