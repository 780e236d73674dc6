"""What the weights of a run depend on, and short names for such content."""

import hashlib
import json
from typing import Any

from pydantic import BaseModel, ValidationError

from spsr.config.method import Method
from spsr.config.preset import Tiling, TrainingImages
from spsr.config.settings import Compute, Extractor, Judge, Naturalness, Perceptual, Recipe, Schedule
from spsr.config.strict import Strict


class TrainingSettings(Strict):
    """Everything of the configuration that the weights of one run depend on, apart from its inputs' content.

    It is written to `run.yaml`, decides whether a checkpoint belongs to a run, and triggers a re-run in the
    workflow when it changes. What a training does not have is absent or none.

    Attributes:
        size: of the network that is trained, where it differs from the paper's.
        start: of the generator, which `recipe.start` says for all of them.
        discriminator: size of the discriminators, likewise.
        probe: the task of a head on a frozen extractor.
    """

    method: Method | Extractor | Judge
    seed: int
    schedule: Schedule | None
    compute: Compute
    train: TrainingImages
    tiling: Tiling | None
    size: dict[str, Any] = {}
    start: str = "official"
    recipe: Recipe | None = None
    perceptual: Perceptual | None = None
    discriminator: dict[str, Any] = {}
    extractor_weights: str | None = None
    anchors_per_patch: int | None = None
    puzzles_per_patch: int | None = None
    naturalness: Naturalness | None = None
    probe: str | None = None

    def plain(self) -> dict[str, Any]:
        """All of it as plain data, as it stands in `run.yaml`."""
        return self.model_dump(mode="json")


def as_of_now(recorded: Any) -> Any:
    """Recorded settings with the defaults of what was added to the configuration since; others as they are."""
    try:
        return TrainingSettings.model_validate(recorded).plain()
    except ValidationError:
        return recorded


def differences(old: Any, new: Any, place: str = "") -> list[str]:
    """`place: old -> new` for every value that differs."""
    if isinstance(old, dict) and isinstance(new, dict):
        return [
            line
            for key in sorted(old.keys() | new.keys())
            for line in differences(old.get(key), new.get(key), f"{place}.{key}" if place else str(key))
        ]
    return [] if old == new else [f"{place}: {json.dumps(old)} -> {json.dumps(new)}"]


def digest(value: Any) -> str:
    """A short name for the content of a model or of plain data: 12 hexadecimal digits of its SHA-256.

    Values that are a model's defaults do not count, so that an addition to the configuration changes no name.
    """
    plain = value.model_dump(mode="json", exclude_defaults=True) if isinstance(value, BaseModel) else value
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()[:12]
