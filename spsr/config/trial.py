"""Other settings than a preset file's for one command (`--set key=value`), and where what they change lies."""

import re
from collections.abc import Sequence
from contextlib import suppress

from spsr.config.config import Config
from spsr.config.layout import QuickTrial
from spsr.config.settings import NATURALNESS
from spsr.config.strict import suggestion
from spsr.config.training_settings import differences, digest
from spsr.config.yaml_source import Source, value_of
from spsr.errors import InputError, naming

_PREPARED = {("preset",), ("data", "train"), ("data", "benchmarks")}
"""What decides which results and prepared images there are: a preset of one's own says it."""


def override(source: Source, settings: Sequence[str]) -> None:
    """Let keys of a preset file have other values.

    Args:
        settings: `key.key=value`, the value as in the file.

    Raises:
        InputError: one of them is malformed, or not where the file has a mapping.
    """
    for setting in settings:
        key, equals, text = setting.partition("=")
        place, option = tuple(key.split(".")), f"--set {key}"
        if not equals or not all(place):
            raise InputError(f"--set {setting}: write key=value, such as schedules.gan.iterations=20")
        if any(place[: len(fixed)] == fixed for fixed in _PREPARED) or place == ("data",):
            raise InputError(f"{option}: decides which results and images there are; write a preset file of your own")
        with naming(option):
            value = value_of(text)
        here = source.data
        for depth, name in enumerate(place[:-1]):
            above = ".".join(place[: depth + 1])
            if depth and here and name not in here:
                raise InputError(f"{option}: there is no {above}{suggestion(name, here)}")
            inner = here.get(name, {})
            if not isinstance(inner, dict):
                raise InputError(f"{option}: {above} is {inner!r}; give all of it: --set '{above}={{…}}'")
            here[name] = here = dict(inner)
        here[place[-1]] = value
        source.given.add(place)


def trial_of(preset: Config, changed: Config) -> QuickTrial | None:
    """What of a preset is another by changed settings; none if nothing is on which a result depends."""
    said = differences(preset.preset.model_dump(mode="json"), changed.preset.model_dump(mode="json"))
    if not said:
        return None
    words = (re.sub(r"[^\w.+-]+", "_", line.rpartition(" -> ")[2]).strip("_") for line in said)
    keys = (line.partition(":")[0].rpartition(".")[2] for line in said)
    readable = ",".join(f"{key}={word}" for key, word in zip(keys, words, strict=True))
    ours, theirs = _identities(preset), _identities(changed)
    runs = {name for name in theirs if ours.get(name) != theirs[name]}
    while more := {
        name for name in theirs if name not in runs and not runs.isdisjoint(changed.starts_of(name).values())
    }:
        runs |= more
    return QuickTrial(f"{readable[:60]}-{digest(said)[:8]}", frozenset(runs))


def _identities(config: Config) -> dict[str, object]:
    """What the weights of each training depend on, by its name, but for what its starts depend on."""
    found: dict[str, object] = {}
    for name in (*config.methods, *config.extractors, NATURALNESS):
        with suppress(InputError):  # It is not trained in this preset.
            starts = [(start, config.seeds(start)[0]) for start in config.starts_of(name).values()]
            found[name] = config.training_settings(name, 0).plain(), starts
    return found
