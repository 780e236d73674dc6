"""The key of a user study: what each picture on its page is. Raters never see it."""

import hashlib
import json
from pathlib import Path
from typing import Any

from pydantic import Field, TypeAdapter

from spsr.config.strict import Strict
from spsr.errors import InputError
from spsr.files import read_json, write_text

ORIGINAL, BLURRED = "HR", "blurred HR"
"""What stands among the options of an attention check: nobody who looks prefers the second."""


class Option(Strict):
    """One picture to be ranked.

    Attributes:
        shows: a method, `ORIGINAL` or `BLURRED`.
        sha256: of its file on the page.
    """

    shows: str
    sha256: str


class Trial(Strict):
    """Pictures of the same part of an image, to be ranked against the original.

    Attributes:
        box: left, top, width and height of the part, in HR pixels.
        options: in the order of the page's data; each rater sees an order of his own.
    """

    dataset: str
    image: str
    box: tuple[int, int, int, int] = Field(strict=False)
    options: tuple[Option, ...] = Field(strict=False, min_length=2)

    @property
    def is_attention_check(self) -> bool:
        """Whether it only asks if the rater looks."""
        return any(option.shows == BLURRED for option in self.options)


class Key(Strict):
    """All trials of a study.

    Attributes:
        study: what ballots name the study by: a hash of everything else.
        methods: the ranked methods.
    """

    study: str
    preset: str
    mark: str
    methods: tuple[str, ...] = Field(strict=False, min_length=2)
    trials: tuple[Trial, ...] = Field(strict=False, min_length=1)


_KEY = TypeAdapter(Key)


def make_key(preset: str, mark: str, methods: tuple[str, ...], trials: tuple[Trial, ...]) -> Key:
    """A key with its hash."""
    key = Key(study="", preset=preset, mark=mark, methods=methods, trials=trials)
    return key.model_copy(update={"study": _digest(key)})


def read_key(folder: Path, preset: str) -> Key:
    """The key of the study in a folder.

    Raises:
        InputError: there is none, it was edited, or it belongs to another preset.
    """
    path = folder / "key.json"
    if not path.is_file():
        raise InputError(f"{path}: there is no such study; make one with `spsr study create`")
    key = read_json(path, _KEY, "restore the file that `spsr study create` wrote")
    if key.study != _digest(key):
        raise InputError(f"{path}: was edited; restore the file that `spsr study create` wrote")
    if key.preset != preset:
        raise InputError(f"{path}: belongs to the preset {key.preset}, not {preset}; give its preset by --configfile")
    return key


def write_key(key: Key, folder: Path) -> Path:
    """Write `key.json` atomically."""
    path = folder / "key.json"
    write_text(path, json.dumps(key.model_dump(mode="json"), indent=1) + "\n")
    return path


def _digest(key: Key) -> str:
    content: dict[str, Any] = key.model_dump(mode="json", exclude={"study"})
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
