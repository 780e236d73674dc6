"""Reading YAML so that every value can be traced to its file and line."""

import re
from pathlib import Path
from typing import Any

import yaml

from spsr.errors import InputError

Place = tuple[str | int, ...]


class _Loader(yaml.SafeLoader):
    """Safe YAML in which `1e-7` is a number (YAML 1.1 wants `1.0e-7`) and a key given twice is an error."""


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+$"),
    list("-+0123456789"),
)


class Source:
    """The content of one YAML file, with the line on which each key stands.

    Args:
        path: the file. A missing or malformed file is an `InputError`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lines: dict[Place, int] = {}
        try:
            text = path.read_text(encoding="utf-8")
        except OSError as error:
            raise InputError(f"{path}: cannot be read ({error.strerror}); name an existing YAML file") from error
        try:
            node = yaml.compose(text, Loader=_Loader)
            self._note_lines(node, ())
            self.data: dict[str, Any] = _Loader(text).get_data() or {}
        except yaml.MarkedYAMLError as error:
            line = f":{error.problem_mark.line + 1}" if error.problem_mark else ""
            raise InputError(f"{path}{line}: not valid YAML ({error.problem}); correct this line") from error
        if not isinstance(self.data, dict):
            raise InputError(f"{path}: holds no mapping at its top level; write `key: value` lines")

    def _note_lines(self, node: yaml.Node | None, place: Place) -> None:
        if node is None:
            return
        self._lines.setdefault(place, node.start_mark.line + 1)
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                here = (*place, key.value)
                if here in self._lines:
                    raise InputError(
                        f"{self.path}:{key.start_mark.line + 1}: '{key.value}' is given twice; keep one of them"
                    )
                self._lines[here] = key.start_mark.line + 1
                self._note_lines(value, here)
        elif isinstance(node, yaml.SequenceNode):
            for index, value in enumerate(node.value):
                self._note_lines(value, (*place, index))

    def where(self, place: Place) -> str:
        """`file:line` of the key at `place`, or of its nearest enclosing key."""
        for length in range(len(place), 0, -1):
            if place[:length] in self._lines:
                return f"{self.path}:{self._lines[place[:length]]}"
        return str(self.path)
