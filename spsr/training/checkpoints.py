"""Checkpoints: written whole or not at all, verified when read, bounded in number.

A file is what `torch.save` writes (tensors, numbers, strings, lists and dictionaries only), followed by 39 bytes:
`sha256:` and the digest of everything before. `torch.load` ignores these, and here they show a torn or damaged file.
"""

import errno
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import torch

from spsr.errors import InputError, RunFailed
from spsr.files import atomic_path
from spsr.tensors import read_torch

KEPT = 2
FINAL = "final.pt"
_MARK = b"sha256:"
_TRAILER = len(_MARK) + hashlib.sha256().digest_size
_CHUNK = 1 << 22


class DamagedError(Exception):
    """A checkpoint is torn or was changed on disk."""


def path_of(folder: Path, step: int) -> Path:
    """The file of the checkpoint after `step` steps."""
    return folder / f"step_{step:07d}.pt"


def found(folder: Path) -> list[Path]:
    """All checkpoints in `folder`, the newest first."""
    final = [folder / FINAL] if (folder / FINAL).exists() else []
    return final + [path_of(folder, step) for step in steps(folder)]


def steps(folder: Path) -> list[int]:
    """Steps of the checkpoints in `folder`, newest first."""
    return sorted((int(path.stem.removeprefix("step_")) for path in folder.glob("step_*.pt")), reverse=True)


def _digest(path: Path, length: int) -> bytes:
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while length > 0 and (chunk := stream.read(min(length, _CHUNK))):
            digest.update(chunk)
            length -= len(chunk)
    return digest.digest()


class _Digesting:
    """A binary stream that digests what is written to it."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.digest = hashlib.sha256()

    def write(self, data: bytes) -> int:
        self.digest.update(data)
        return self._stream.write(data)

    def flush(self) -> None:
        self._stream.flush()


def write_checkpoint(path: Path, content: dict[str, Any]) -> None:
    """Write `content` to `path` atomically; a full disk is a `RunFailed` and leaves everything as it was."""
    try:
        with atomic_path(path) as temporary, temporary.open("wb") as stream:
            digesting = _Digesting(stream)
            torch.save(content, digesting)  # type: ignore[arg-type]
            stream.write(_MARK + digesting.digest.digest())
    except (OSError, RuntimeError) as error:
        raise RunFailed(_unwritable(path, error)) from error


def _unwritable(path: Path, error: BaseException) -> str:
    while not isinstance(error, OSError) and error.__context__ is not None:
        error = error.__context__
    full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
    good = steps(path.parent)
    last = f"the last good checkpoint is {path_of(path.parent, good[0])}" if good else "there is none before it"
    what, remedy = ("the disk is full", "free some space") if full else (str(error), "see to the folder")
    return f"{path}: the checkpoint could not be written ({what}); {last}; {remedy} and start the same command again"


def read_checkpoint(path: Path) -> dict[str, Any]:
    """The content of a checkpoint, on the CPU; `DamagedError` if its digest does not fit."""
    try:
        length = path.stat().st_size - _TRAILER
        with path.open("rb") as stream:
            stream.seek(max(length, 0))
            trailer = stream.read()
        if length <= 0 or trailer != _MARK + _digest(path, length):
            raise DamagedError(f"{path}: torn or damaged")
        content: dict[str, Any] = read_torch(path)
    except (OSError, InputError) as error:
        raise DamagedError(f"{path}: cannot be read ({error})") from error
    return content


def save_checkpoint(folder: Path, step: int, content: dict[str, Any]) -> Path:
    """Write the checkpoint after `step` steps, then remove all but the newest `KEPT`."""
    path = path_of(folder, step)
    write_checkpoint(path, content)
    for old in steps(folder)[KEPT:]:
        path_of(folder, old).unlink(missing_ok=True)
    return path


def save_final(folder: Path, content: dict[str, Any]) -> None:
    """Write what a finished run is restored from, and remove all other checkpoints."""
    write_checkpoint(folder / FINAL, content)
    for step in steps(folder):
        path_of(folder, step).unlink(missing_ok=True)


def newest(folder: Path, warn: Callable[[str], None]) -> dict[str, Any] | None:
    """The content of the newest valid checkpoint; each damaged one is skipped with a warning.

    Temporary files that a killed process left behind are removed.
    """
    for leftover in folder.glob(".*.part.pt"):
        leftover.unlink(missing_ok=True)
    for path in found(folder):
        try:
            return read_checkpoint(path)
        except DamagedError as damage:
            warn(f"{damage}; using the one before it")
    return None
