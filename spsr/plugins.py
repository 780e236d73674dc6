"""Code of one's own that the configuration names: `FOLDER/FILE.py:NAME` or `PACKAGE.MODULE:NAME`.

A path counts from the current folder and must lie below it; a module must be importable (installed, or on
PYTHONPATH). So a checkpoint, which stores the reference to its network, can name no code but what is already there.
"""

import hashlib
import importlib
import importlib.util
import os
import sys
import traceback
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from importlib.machinery import ModuleSpec, SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any, NoReturn

from spsr.errors import InputError, RunFailed, Stopped, Terminated


def is_reference(name: str) -> bool:
    """Whether a name in the configuration stands for code of one's own, not for something of this project."""
    return ":" in name


def source_file(reference: str) -> Path:
    """The Python file that a reference names; it is found, not run.

    Raises:
        InputError: the reference is malformed, or the file or module is not there.
    """
    place, colon, name = reference.partition(":")
    if not place or not colon or not name.isidentifier():
        raise InputError(f"'{reference}': not a reference; write folder/file.py:Name or package.module:Name")
    if not place.endswith(".py"):
        return _module_file(reference, place)
    file = Path(place)
    if not file.resolve().is_relative_to(Path.cwd().resolve()):
        raise InputError(f"'{reference}': {file} lies outside the current folder; move it below {Path.cwd()}")
    if not file.is_file():
        raise InputError(f"'{reference}': no file {file} in {Path.cwd()}; correct the path, or change the folder")
    return file


def _module_file(reference: str, module: str) -> Path:
    try:
        found = importlib.util.find_spec(module)
    except (ImportError, ValueError, AttributeError):
        found = None
    if found is None or not found.has_location or found.origin is None:
        raise InputError(f"'{reference}': no module '{module}'; install it, or name a file (folder/file.py:Name)")
    return Path(found.origin)


def named(reference: str) -> Any:
    """What a reference names; its file is run once in a process.

    Raises:
        InputError: see `source_file`; or the file fails when it is run, or has no such name.
    """
    file = source_file(reference)
    place, _, name = reference.partition(":")
    try:
        module = _run(file) if place.endswith(".py") else importlib.import_module(place)
    except (InputError, KeyboardInterrupt, Terminated):
        raise
    except BaseException as error:  # also one that exits
        raise InputError(f"'{reference}': {file} fails when it is imported: {_one_line(error)}") from error
    if not hasattr(module, name):
        raise InputError(f"'{reference}': {file} has no '{name}'; it has {_listed(vars(module))}")
    return getattr(module, name)


def _run(file: Path) -> ModuleType:
    content = file.read_bytes()
    name = f"{file.stem}_{hashlib.sha256(str(file.resolve()).encode() + content).hexdigest()[:12]}"
    if name in sys.modules:
        return sys.modules[name]
    loader = _AsRead(name, str(file), content)
    spec = ModuleSpec(name, loader, origin=str(file))
    spec.has_location = True
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


class _AsRead(SourceFileLoader):
    """Runs the content that was hashed: Python takes an earlier compilation for a file of the same size and second."""

    def __init__(self, name: str, path: str, content: bytes) -> None:
        super().__init__(name, path)
        self._content = content

    def get_code(self, fullname: str) -> CodeType:
        return self.source_to_code(self._content, self.path)


class OwnCodeFailed(RunFailed):
    """Code of one's own raised, ended the process or changed its input; the message names its file and line."""


@contextmanager
def running(reference: str, *unchanged: Any) -> Iterator[None]:
    """Run code of one's own in this block.

    Args:
        reference: what leads to it; nothing is done about the code of a name that is none.
        unchanged: tensors that it is given and must leave as they are.

    Raises:
        OwnCodeFailed: it raises, exits, or changes one of these; one line with file, line and function.
    """
    if not is_reference(reference):
        yield
        return
    versions = [tensor._version for tensor in unchanged]
    try:
        yield
    except (InputError, OwnCodeFailed, KeyboardInterrupt, MemoryError, Stopped, Terminated):
        raise
    except BaseException as error:
        if type(error).__name__ == "OutOfMemoryError":
            raise
        raise OwnCodeFailed(f"'{reference}': {_place(error, reference)}: {_one_line(error)}; correct it") from error
    if versions != [tensor._version for tensor in unchanged]:
        raise OwnCodeFailed(
            f"'{reference}': changes its input in place, which others use too; work on a copy (`.clone()`)"
        )


@contextmanager
def exits_seen() -> Iterator[None]:
    """In this block `os._exit`, which nobody else could see, raises `SystemExit`; in children it is what it was."""
    leave, process = os._exit, os.getpid()

    def exit_seen(code: int) -> NoReturn:
        if os.getpid() != process:
            leave(code)
        raise SystemExit(f"os._exit({code})")

    os._exit = exit_seen  # type: ignore[assignment]
    try:
        yield
    finally:
        os._exit = leave


def _place(error: BaseException, reference: str) -> str:
    """File, line and function of the innermost call in the code that the reference names; else of the innermost."""
    frames = traceback.extract_tb(error.__traceback__)
    own = source_file(reference).resolve()
    frame = next((frame for frame in reversed(frames) if Path(frame.filename).resolve() == own), frames[-1])
    return f"{frame.filename}:{frame.lineno}, in {frame.name}"


def _one_line(error: BaseException) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())


def _listed(names: Iterable[str]) -> str:
    return ", ".join(name for name in names if not name.startswith("_")) or "nothing"
