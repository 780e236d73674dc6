"""The strict base of every configuration model, and its errors as one line with place and remedy."""

import difflib
from collections.abc import Iterable
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from spsr.config.yaml_source import Place, Source
from spsr.errors import InputError


def suggestion(name: str, known: Iterable[str]) -> str:
    """`; did you mean 'x'?` for the known name nearest to `name`, else the list of known names."""
    known = sorted(known)
    close = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean '{close[0]}'?" if close else f"; known: {', '.join(known)}"


class Strict(BaseModel):
    """An immutable model that refuses unknown keys and converts nothing but an integer to a float."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

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
        inside: Place = tuple(part for part in first["loc"] if not str(part).startswith("function-"))
        if first["type"] == "unknown_key":
            inside = (*inside, first["ctx"]["key"])
        full = (*place, *inside)
        dotted = ".".join(str(part) for part in full)
        message = first["msg"].removeprefix("Value error, ")
        given = "" if isinstance(first["input"], dict | list) else f" (given: {first['input']!r})"
        raise InputError(f"{source.where(full)}: {dotted}: {message}{given}") from error
