"""Reading YAML so that every value can be traced to its file and line, and no file can ask for more than it holds."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from spsr.errors import InputError
from spsr.files import read_text

Place = tuple[str | int, ...]

MOST_BYTES, MOST_DEPTH, MOST_VALUES = 1 << 17, 32, 10_000
"""More than any configuration or record has; values that an alias repeats count each time."""

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


class _Loader(yaml.CSafeLoader):
    """Safe YAML in which `1e-7` is a number (YAML 1.1 wants `1.0e-7`)."""


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+$"),
    list("-+0123456789"),
)


class Source:
    """The content of one YAML file, with the line on which each key stands.

    Args:
        path: the file.

    Attributes:
        data: the content.
        given: places whose content `--set` gave instead of the file.

    Raises:
        InputError: missing, not UTF-8, malformed, larger or deeper than `MOST_BYTES`, `MOST_DEPTH` and `MOST_VALUES`,
            or with a value that plain data cannot hold.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lines: dict[Place, int] = {}
        self.given: set[Place] = set()
        text = read_text(path, "name a configuration, a YAML file in UTF-8", MOST_BYTES)
        try:
            loader = _loader(text)
            node = loader.get_single_node()
            for number, inner in enumerate(self._note_lines(node, ())):
                if number == MOST_VALUES:
                    raise InputError(f"{self._at(inner)}: more than {MOST_VALUES} values; write less, or fewer aliases")
            self.data: dict[str, Any] = (loader.construct_document(node) if node is not None else None) or {}
        except yaml.MarkedYAMLError as error:
            line = f":{error.problem_mark.line + 1}" if error.problem_mark else ""
            raise InputError(f"{path}{line}: not valid YAML ({error.problem}); correct this line") from error
        except RecursionError as error:
            raise InputError(f"{path}: nested too deeply; a configuration has few levels") from error
        except (yaml.YAMLError, ValueError, TypeError, LookupError, AttributeError, OverflowError) as error:
            said = " ".join(str(error).split())
            raise InputError(f"{path}: holds a value that is no plain data ({said}); correct it") from error
        if not isinstance(self.data, dict):
            raise InputError(f"{path}: holds no mapping at its top level; write `key: value` lines")

    def _note_lines(self, node: yaml.Node | None, place: Place) -> Iterator[yaml.Node]:
        """Note where each key stands; gives every value, as often as it is meant."""
        if node is None:
            return
        yield node
        if len(place) > MOST_DEPTH:
            raise InputError(f"{self._at(node)}: nested more than {MOST_DEPTH} levels deep; a configuration has few")
        self._lines.setdefault(place, node.start_mark.line + 1)
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                if not isinstance(key, yaml.ScalarNode):
                    raise InputError(f"{self._at(key)}: a list or mapping is no name of a key; write a word")
                self._refuse_control(key)
                here = (*place, key.value)
                if here in self._lines:
                    raise InputError(f"{self._at(key)}: '{key.value}' is given twice; keep one of them")
                self._lines[here] = key.start_mark.line + 1
                yield from self._note_lines(value, here)
        elif isinstance(node, yaml.SequenceNode):
            for index, value in enumerate(node.value):
                yield from self._note_lines(value, (*place, index))
        elif isinstance(node, yaml.ScalarNode):
            self._refuse_control(node)

    def _refuse_control(self, scalar: yaml.ScalarNode) -> None:
        if _CONTROL.search(scalar.value):
            raise InputError(f"{self._at(scalar)}: holds a control character; take it out")

    def _at(self, node: yaml.Node) -> str:
        return f"{self.path}:{node.start_mark.line + 1}"

    def where(self, place: Place) -> str:
        """`file:line` of the key at `place`, or of its nearest enclosing key; `--set` where that gave it."""
        for given in self.given:
            if place[: len(given)] == given or (place not in self._lines and given[: len(place)] == place):
                return "--set"
        for length in range(len(place), 0, -1):
            if place[:length] in self._lines:
                return f"{self.path}:{self._lines[place[:length]]}"
        return str(self.path)


def _loader(text: str) -> _Loader:
    """A loader of a text that is not deeper than libyaml's recursion can bear."""
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MOST_DEPTH:
            problem = f"nested more than {MOST_DEPTH} levels deep"
            raise yaml.MarkedYAMLError(problem=problem, problem_mark=event.start_mark)  # type: ignore[arg-type]
    return _Loader(text)


def value_of(text: str) -> Any:
    """What a text means as a value in a file; `InputError` if it is none."""
    try:
        return _loader(text).get_single_data()
    except (yaml.YAMLError, ValueError, TypeError, RecursionError) as error:
        raise InputError(f"{text!r} is no value of a YAML file; correct it, or put it in quotes") from error
