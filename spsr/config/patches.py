"""Which training patches and batches the networks take, so that others are refused before anything is computed."""

from collections.abc import Iterator, Mapping

from spsr.config.config import Config
from spsr.config.method import Method
from spsr.config.settings import NATURALNESS, Extractor, Schedule
from spsr.config.yaml_source import Place, Source
from spsr.errors import InputError

STRIDES = {"nse": 4, "vgg19": 16, "resnet18": 16}
"""Pixels of a patch for one cell of the features of an extractor's network."""

_LEAST = {"contrastive": 96, "jigsaw": 64}
"""Sides of the smallest patches with a place for a sample of each self-supervised task."""

_DIVISOR = 16
"""Of the sides that NatSR's judge and SFTGAN's discriminator take."""

_QUARTERS = 4
"""A batch of the judge is divided into so many equal parts."""


def check_patches(source: Source, config: Config) -> None:
    """`InputError` if a patch or batch is none for its task, or for a discriminator of a method in the tables."""
    preset = config.preset
    heads = {"contrastive": preset.probe.contrastive, "jigsaw": preset.probe.jigsaw} if preset.probe else {}
    for task, least in _LEAST.items():
        trainings: list[tuple[Place, Schedule | None]] = [
            (("schedules", task), preset.schedules.get(task)),
            (("probe", task), heads.get(task)),
        ]
        for place, schedule in trainings:
            if schedule is not None and schedule.patch < least:
                _refuse(source, place, schedule, f"has no place for a sample of this task; give {least} or more")
    judge, place = preset.schedules.get("naturalness"), ("schedules", "naturalness")
    if judge is not None and judge.patch % _DIVISOR:
        _refuse(source, place, judge, f"is no multiple of {_DIVISOR}, as the judge needs it")
    if judge is not None and judge.batch % _QUARTERS:
        where = f"{source.where((*place, 'batch'))}: schedules.naturalness.batch"
        raise InputError(f"{where}: {judge.batch} is no multiple of {_QUARTERS}, as the judge ({NATURALNESS}) needs it")
    for name in dict.fromkeys(name for table in preset.tables for name in config.table(table).methods):
        method = config.method(name)
        if method.source == "trained" and (preset.only is None or name in preset.only):
            schedule = config.schedule(method.schedule)
            for problem in _problems(name, method, schedule.patch, config.extractors):
                _refuse(source, ("schedules", method.schedule), schedule, problem)


def _problems(name: str, method: Method, patch: int, extractors: Mapping[str, Extractor]) -> Iterator[str]:
    for view in [term.view for term in method.losses.terms() if term.comparison == "adversarial"]:
        stride = STRIDES[extractors[str(method.extractor)].network] if view == "structure" else 1
        cells = patch // stride
        whose = f"for the discriminator of {name}'s {view} view"
        if method.discriminator == "vgg" and (cells < 4 or cells & (cells - 1)):
            below = 4 * stride << max(0, (cells // 4).bit_length() - 1)
            yield f"is no side {whose}; give {below}, {2 * below} or another 4 · {stride} · 2^n"
        if method.discriminator == "auxiliary" and patch % _DIVISOR:
            yield f"is no multiple of {_DIVISOR}, as it must be {whose}"


def _refuse(source: Source, place: Place, schedule: Schedule, problem: str) -> None:
    place = (*place, "patch")
    raise InputError(f"{source.where(place)}: {'.'.join(map(str, place))}: {schedule.patch} {problem}")
