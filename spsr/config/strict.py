"""The strict base of every configuration model, and its errors as one line with place and remedy."""

import difflib
import re
from collections.abc import Iterable
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from spsr.config.yaml_source import Place, Source
from spsr.errors import InputError


def suggestion(name: str, known: Iterable[str]) -> str:
    """`; did you mean 'x'?` for the known name nearest to `name`, else the list of known names."""
    known = sorted(known)
    close = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean '{close[0]}'?" if close else f"; known: {', '.join(known)}"


_SLUG = re.compile(r"[A-Za-z][A-Za-z0-9_+-]{0,63}")
_NO_VALUE = frozenset({"null", "none", "nan", "na"})


def slug(name: Any) -> str:
    """A name that files and folders can have and that tables keep, or a `ValueError`."""
    if not isinstance(name, str) or not _SLUG.fullmatch(name) or name.lower() in _NO_VALUE:
        raise ValueError("a name is a letter, then at most 63 letters, digits, `_`, `+` and `-`; rename it")
    return name


Slug = Annotated[str, BeforeValidator(slug)]
"""The name of something whose files are named after it: presets, benchmarks, methods, extractors, tables."""


class Strict(BaseModel):
    """An immutable model that refuses unknown keys and converts nothing but an integer to a float.

    Numbers are finite.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _refuse_unknown_keys(cls, data: Any) -> Any:
        if isinstance(data, dict):
            for key in data:
                if key not in cls.model_fields:
                    hint = suggestion(str(key), cls.model_fields)
                    raise PydanticCustomError("unknown_key", "{text}", {"text": f"unknown key{hint}", "key": key})
        return data


Model = TypeVar("Model", bound=BaseModel)


def validate(model: type[Model], data: Any, source: Source, place: Place = ()) -> Model:
    """`data` as a `model`; the first thing wrong with it becomes an `InputError` that names file, line and key."""
    try:
        return model.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        inside: Place = tuple(
            part for part in first["loc"] if part != "[key]" and not str(part).startswith("function-")
        )
        if first["type"] == "unknown_key":
            inside = (*inside, first["ctx"]["key"])
        full = (*place, *inside)
        dotted = " ".join(".".join(str(part) for part in full).split())
        message = first["msg"].removeprefix("Value error, ")
        given = "" if isinstance(first["input"], dict | list) else f" (given: {first['input']!r})"
        raise InputError(f"{source.where(full)}: {dotted}: {message}{given}") from error


def validate_all(model: type[Model], source: Source) -> dict[str, Model]:
    """The entries of a file by their names, each as a `model`."""
    check_names(source)
    return {name: validate(model, data, source, (name,)) for name, data in source.data.items()}


def check_names(source: Source) -> None:
    """`InputError` with the place of the first name at a file's top level that is no `slug`."""
    for name in source.data:
        try:
            slug(name)
        except ValueError as error:
            raise InputError(f"{source.where((str(name),))}: {' '.join(str(name).split())}: {error}") from error
