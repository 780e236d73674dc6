"""Whether trainings that share a GPU fit its memory, before any of them is launched."""

from collections import Counter
from collections.abc import Iterable
from itertools import accumulate

from spsr.cluster.requests import PlannedRun, read_plan
from spsr.cluster.site import Site
from spsr.config import Config
from spsr.errors import InputError

GIB = 2**30
PROCESS_GIB = 1.0
"""What CUDA and its libraries take of a GPU for each process beside its tensors; assumed, never measured."""


def crowding(config: Config, site: Site, runs: Iterable[PlannedRun]) -> str | None:
    """One line if those of `runs` that may meet on a GPU need more memory than it has.

    A run takes what the plan says, its own copy of the packed training images, and `PROCESS_GIB`. Without
    `gpu_memory_gib` in the site there is nothing to compare with.
    """
    if site.gpu_memory_gib is None:
        return None
    pixels = [config.layout.training_pack.with_name(f"{kind}.npy") for kind in ("hr", "lr")]
    images = sum(file.stat().st_size for file in pixels if file.is_file())
    largest = sorted(runs, key=lambda run: run["memory"], reverse=True)[: site.runs_per_gpu]
    sums = list(accumulate((run["memory"] + images) / GIB + PROCESS_GIB for run in largest))
    fit = sum(each <= site.gpu_memory_gib for each in sums)
    if fit == len(sums):
        return None
    names = Counter(run["name"] for run in largest)
    listed = ", ".join(name if count == 1 else f"{name} ({count} seeds)" for name, count in names.items())
    remedy = f"set `runs_per_gpu: {fit}`, the most that fit" if fit else "not one fits: take larger GPUs"
    return (
        f"Memory: {listed} on one GPU: {sums[-1]:.1f} GiB, and it has {site.gpu_memory_gib:g}; "
        f"{remedy}, or correct `gpu_memory_gib` (configs/site.yaml)"
    )


def planned_crowding(config: Config, site: Site, launched: Iterable[str] | None = None) -> str | None:
    """The same for the runs of `plan.json`; none where there is no plan.

    Args:
        launched: outputs of the jobs that are launched; runs whose model is not among them do not count.
    """
    try:
        runs = read_plan(config)["runs"]
    except InputError:
        return None
    if launched is not None:
        made = set(launched)
        runs = [run for run in runs if str(config.layout.model(run["name"], run["seed"])) in made]
    return crowding(config, site, runs)
