"""`spsr prepare`."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from spsr.cli.options import Configfile
from spsr.cli.progress_bar import progress_bar
from spsr.config import Config, load
from spsr.config.preset import ImageSource
from spsr.config.strict import suggestion
from spsr.data import registry
from spsr.data.benchmark import damage as benchmark_damage
from spsr.data.benchmark import prepare_benchmark
from spsr.data.image_sets import resolve
from spsr.data.pack import damage as pack_damage
from spsr.data.pack import pack, require_ours
from spsr.errors import InputError


def prepare(
    names: Annotated[list[str], typer.Argument(help="Benchmarks of the preset or registered datasets, or `training`.")],
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Folder for NAME/HR and NAME/LR; the preset's own folder by default."),
    ] = None,
    configfile: Configfile = None,
    border: Annotated[
        Literal["mirror", "replicate"],
        typer.Option("--border", help="Beyond the edge: mirror as the paper, replicate as SelfExSR's archives."),
    ] = "mirror",
) -> None:
    """Write HR and LR images of benchmarks, or pack the training images of a preset.

    Without --configfile, -o DIR takes the registered dataset itself; otherwise a name means what the preset says.
    """
    config = load(configfile)
    for name in names:
        with progress_bar(f"prepare {name}") as report:
            images = resolve(*_sources(config, name, literally=out is not None and configfile is None))
            if name == "training":
                index = config.layout.training_pack if out is None else out / "training" / "index.json"
                if out is not None:
                    require_ours(index)
                _say_damage(name, pack_damage(index))
                packed = pack(images, index, progress=report)
                line = (
                    f"training: {len(packed.names)} images, {packed.hr.size / 1e6:.1f} MB of pixels in {index.parent}"
                )
            else:
                folder = config.layout.benchmark(name) if out is None else out / name
                _say_damage(name, benchmark_damage(folder))
                passport = prepare_benchmark(
                    name,
                    images,
                    folder,
                    border=border,
                    progress=report,
                )
                line = f"{name}: {passport['count']} images in {folder}"
                line += "".join(f"\n{name}: warning: {problem}" for problem in passport["problems"])
        print(line)


def _say_damage(name: str, damage: str | None) -> None:
    if damage is not None:
        print(f"{name}: {damage}; it is made again")


def _sources(config: Config, name: str, literally: bool) -> tuple[ImageSource, ...]:
    if name == "training":
        return config.preset.data.training_sources
    if literally and name in registry.datasets():
        return (ImageSource(dataset=name),)
    benchmarks = config.preset.data.benchmarks
    if name not in benchmarks:
        known = ["training", *benchmarks, *registry.datasets()]
        raise InputError(f"prepare: no benchmark '{name}' in {config.path}{suggestion(name, known)}")
    return (benchmarks[name],)
