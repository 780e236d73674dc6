"""The trainings of a preset and what each takes, counted before anything is launched: FLOPs, memory, disk."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from statistics import median

from spsr.config import Config, Schedule
from spsr.config.settings import NATURALNESS
from spsr.data.inputs import training_inputs
from spsr.errors import InputError
from spsr.plugins import OwnCodeFailed
from spsr.training.objective import replicas
from spsr.training.step_cost import step_of

Key = tuple[str, int]
FP32 = 4
ADAM = 4 * FP32
"""Bytes of a trained parameter with its gradient and Adam's two moments."""
BF16 = 2
SAVED_IN_BF16 = 0.55
"""What autograd keeps in bf16 of what it keeps in fp32: 0.51 to 0.55, counted on eight methods."""


@dataclass(frozen=True)
class Job:
    """One training.

    Attributes:
        name, seed: of the method or extractor.
        flops: of the whole training (convolutions and linear layers, forward and backward).
        memory: bytes of parameters, optimiser states and what autograd keeps, in the preset's precision.
        disk: bytes that stay when it is finished.
        checkpoints: bytes of its checkpoints while it runs.
        needs: the trainings whose weights it starts from or looks through.
        tables: the tables that show it, itself or through a method that needs it.
    """

    name: str
    seed: int
    flops: int
    memory: int
    disk: int
    checkpoints: int
    needs: tuple[Key, ...] = ()
    tables: tuple[str, ...] = ()

    @property
    def key(self) -> Key:
        """Name and seed."""
        return self.name, self.seed


def list_jobs(
    config: Config, methods: Iterable[str], extractors: Iterable[str], broken: dict[str, str] | None = None
) -> list[Job]:
    """One job for each training of `methods`, of `extractors` and of their judge, those that others need first.

    Args:
        methods: names of methods that are trained here.
        extractors: names of extractors that are made here; one without a task costs nothing and is left out.
        broken: gets the methods whose code of one's own fails, with what it says; without it that is raised.

    Raises:
        OwnCodeFailed, InputError: code of one's own fails, or is not there.
    """
    methods = list(methods)
    trained = [name for name in extractors if config.extractor(name).task is not None]
    if any(config.method(name).needs_naturalness for name in methods):
        trained.append(NATURALNESS)
    takes = {}
    for name in [*trained, *methods]:
        try:
            takes[name] = _takes(config, name)
        except (OwnCodeFailed, InputError) as error:
            if broken is None or name not in config.methods or not config.method(name).code:
                raise
            broken[name] = str(error)
    jobs = []
    for name, (flops, memory, disk, checkpoints) in takes.items():
        needed = training_inputs(config, name)
        needs = tuple((n.run, n.seed) for n in needed if n.run is not None and n.run in takes)
        jobs += [Job(name, seed, flops, memory, disk, checkpoints, needs) for seed in config.seeds(name)]
    shown: dict[Key, set[str]] = {job.key: set() for job in jobs}
    for table in config.preset.tables:
        for key in _closure(jobs, config.table(table).methods):
            shown[key].add(table)
    order = {table: position for position, table in enumerate(config.preset.tables)}
    return [replace(job, tables=tuple(sorted(shown[job.key], key=order.__getitem__))) for job in jobs]


def _takes(config: Config, name: str) -> tuple[int, int, int, int]:
    """FLOPs, memory, and disk when finished and for checkpoints, of a whole training."""
    step, schedule = step_of(config, name).cost(), _schedule(config, name)
    samples = schedule.batch * (replicas(config, name) if name in config.methods else 1)
    parameters = step.generator + step.discriminators
    weights, saved = parameters * ADAM, step.saved * schedule.batch
    if config.preset.compute.precision == "bf16":
        weights, saved = weights + parameters * BF16, round(saved * SAVED_IN_BF16)
    return (
        step.flops * samples * schedule.iterations,
        weights + saved,
        2 * step.generator * FP32,
        2 * 3 * parameters * FP32,
    )


def _schedule(config: Config, name: str) -> Schedule:
    if name == NATURALNESS:
        return config.schedule("naturalness")
    return config.schedule(
        str(config.extractor(name).task) if name in config.extractors else config.method(name).schedule
    )


def _closure(jobs: Sequence[Job], names: Iterable[str]) -> set[Key]:
    """The jobs of `names`, and all that they need."""
    by_key = {job.key: job for job in jobs}
    wanted = set(names)
    pending = [job.key for job in jobs if job.name in wanted]
    found: set[Key] = set()
    while pending:
        key = pending.pop()
        if key not in found:
            found.add(key)
            pending += by_key[key].needs
    return found


def of_table(jobs: Sequence[Job], table: str) -> list[Job]:
    """The jobs that one table alone takes."""
    return [job for job in jobs if table in job.tables]


def ledger_rate(config: Config, jobs: Iterable[Job]) -> float | None:
    """Median TFLOP/s in the ledgers of this preset's earlier runs; none if there are none."""
    ledgers = (config.layout.run(job.name, job.seed).read_ledger() for job in jobs)
    rates = [rate for ledger in ledgers for line in ledger if (rate := line.get("tflops"))]
    return median(rates) if rates else None
