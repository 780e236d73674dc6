"""Files that others read while we write: atomic writes, the one lock, and JSON lines that may be torn."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from spsr.errors import InputError


@contextmanager
def atomic_path(target: Path | str) -> Iterator[Path]:
    """Yield a temporary path beside `target`; on success it is flushed to disk and renamed onto `target`.

    The temporary file keeps the suffix of `target` (writers that look at it still work). If the block raises,
    the temporary file is removed and `target` is left as it was. Missing parent folders are made.
    """
    target = Path(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.stem}.{os.getpid()}.part{target.suffix}")
    try:
        yield temporary
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        temporary.replace(target)
    except BaseException:
        with suppress(FileNotFoundError):
            temporary.unlink()
        raise


def write_text(target: Path | str, text: str) -> None:
    """Write `text` as UTF-8 to `target`, atomically."""
    with atomic_path(target) as temporary:
        temporary.write_text(text, encoding="utf-8")


@contextmanager
def alone(lock: Path, refusal: str | None = None) -> Iterator[None]:
    """Hold the file `lock` inside this block, for one process; it ends with the process, however that ends.

    Args:
        lock: the lock's file, which is made; its folder too.
        refusal: what `InputError` says at once if another process holds the lock; without it, wait for that one.
    """
    lock.parent.mkdir(parents=True, exist_ok=True)
    held = FileLock(lock, timeout=-1 if refusal is None else 0, poll_interval=0.5)
    try:
        held.acquire()
    except Timeout:
        raise InputError(str(refusal)) from None
    try:
        yield
    finally:
        held.release()


def read_lines(path: Path, remedy: str | None = None) -> list[dict[str, Any]]:
    """The objects of a file with one JSON object a line; none if there is no such file.

    A last line that a crash or a full disk cut off is left out.

    Args:
        path: the file.
        remedy: what to do about any other damage, which is then an `InputError`; without it, such lines are left out.

    Raises:
        InputError: a line is damaged and there is a remedy.
    """
    if not path.is_file():
        return []
    entries = []
    for number, line in enumerate(path.read_bytes().splitlines(keepends=True), start=1):
        try:
            entry = json.loads(line)
            if not isinstance(entry, dict):
                raise ValueError("not an object")
            entries.append(entry)
        except ValueError as error:
            if remedy is not None and line.endswith(b"\n"):
                raise InputError(f"{path}:{number}: not JSON; {remedy}") from error
    return entries
