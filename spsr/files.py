"""Files that others read while we write: atomic writes, the one lock, and JSON that may be torn or edited."""

import hashlib
import os
import re
import shutil
import socket
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from filelock import FileLock, Timeout
from pydantic import TypeAdapter, ValidationError

from spsr.errors import InputError

Content = TypeVar("Content")

_STEM_BYTES = 200
_MOST_BYTES = 1 << 26
_END_OF_LOG = 1 << 16


@contextmanager
def atomic_path(target: Path | str) -> Iterator[Path]:
    """Yield a temporary path beside `target`; on success it is flushed to disk and renamed onto `target`.

    The temporary file keeps the suffix of `target` (writers that look at it still work). If the block raises,
    the temporary file is removed and `target` is left as it was. Missing parent folders are made. Of a symbolic link
    the file that it leads to is written; the link stays.

    Raises:
        InputError: there is something other than a file at `target`, such as a folder or a device.
    """
    target = Path(target)
    target = target.resolve() if target.is_symlink() else target
    if target.exists() and not target.is_file():
        raise InputError(f"{target}: is not a plain file and is not replaced; name a file")
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = staging_of(target)
    try:
        yield temporary
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        temporary.replace(target)
    except BaseException as error:
        with suppress(OSError):
            temporary.unlink()
        if isinstance(error, OSError) and (error.filename is None or str(error.filename) == str(temporary)):
            error.filename = str(target)
        raise


_LEFTOVER = re.compile(r"\..*\.(?P<host>[^.]*)-(?P<process>\d+)\.part(\.[^.]*)?")
_HOST = re.sub(r"[^A-Za-z0-9]", "_", socket.gethostname())[:16]
_cleared: set[Path] = set()


def staging_of(target: Path) -> Path:
    """Where this process makes `target` before it is renamed.

    See `remove_leftovers`, which clears that folder first.
    """
    remove_leftovers(target.parent)
    return target.with_name(f".{_shortened(target.stem)}.{_HOST}-{os.getpid()}.part{target.suffix}")


def _shortened(stem: str) -> str:
    """A name that leaves room for what is added to it: file systems take 255 bytes."""
    encoded = os.fsencode(stem)
    return stem if len(encoded) <= _STEM_BYTES else hashlib.sha256(encoded).hexdigest()[:32]


def remove_leftovers(folder: Path) -> None:
    """Remove what processes that were killed on this machine left in `folder`, once in a process."""
    if folder in _cleared:
        return
    _cleared.add(folder)
    for path in folder.iterdir() if folder.is_dir() else ():
        found = _LEFTOVER.fullmatch(path.name)
        if found is None or found["host"] != _HOST or _is_alive(int(found["process"])):
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


@contextmanager
def new_folder(target: Path, *, ours: bool, sources: Iterable[Path] = ()) -> Iterator[Path]:
    """Yield an empty folder beside `target`; on success it takes the place of `target`, else it is removed.

    Args:
        ours: whether an earlier `target` was made here, so that it can be made again.
        sources: files that the new folder is made from.

    Raises:
        InputError: a source lies in `target`, or `target` holds something and is not ours.
    """
    target = target.resolve()
    for source in sources:
        if source.resolve().is_relative_to(target):
            raise InputError(f"{target}: holds the source {source.name} and is not replaced; choose another folder")
    if target.exists() and not ours and (not target.is_dir() or any(target.iterdir())):
        raise InputError(f"{target}: was not made here and is not replaced; choose another folder, or move it away")
    staging, replaced = staging_of(target), staging_of(target.with_suffix(".replaced"))
    for rest in (staging, replaced):
        shutil.rmtree(rest, ignore_errors=True)
    staging.mkdir(parents=True)
    try:
        yield staging
        if target.exists():
            target.replace(replaced)  # As a whole: what shows that it is ours must not go before the rest of it.
        staging.replace(target)
    finally:
        for rest in (staging, replaced):
            shutil.rmtree(rest, ignore_errors=True)


def check_outputs(outputs: Mapping[str, Path | None], inputs: Iterable[Path] = ()) -> None:
    """See that the files that a command is to write can be written and cost the user nothing.

    Args:
        outputs: by the option that names them; None where it is not given.
        inputs: files that the command reads.

    Raises:
        InputError: one of them is a folder, a device or an input, or two are one file.
    """
    read = {path.resolve() for path in inputs}
    taken: dict[Path, str] = {}
    for option, path in outputs.items():
        if path is None:
            continue
        place = path.resolve()
        if place.exists() and not place.is_file():
            raise InputError(f"{option}: {path} is not a plain file and is not replaced; name a file")
        if place in read:
            raise InputError(f"{option}: {path} is an input of this command and is not replaced; name another file")
        if place in taken:
            raise InputError(f"{option}: {path} is the file of {taken[place]}, too; name another file")
        taken[place] = option


def write_text(target: Path | str, text: str) -> None:
    """Write `text` as UTF-8 to `target`, atomically."""
    with atomic_path(target) as temporary:
        temporary.write_text(text, encoding="utf-8")


def end_of(log: Path, lines: int) -> list[str]:
    """The last lines of a log that say something; none if it is empty or cannot be read."""
    try:
        with log.open("rb") as stream:
            stream.seek(max(0, log.stat().st_size - _END_OF_LOG))
            text = stream.read().decode("utf-8", errors="replace")
    except OSError:
        return []
    return [line for line in text.splitlines() if line.strip()][-lines:]


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


def read_bounded(path: Path, remedy: str, most: int = _MOST_BYTES) -> bytes:
    """The bytes of a file; `InputError` with the remedy if it cannot be read or has more than `most` of them."""
    try:
        with path.open("rb") as stream:
            content = stream.read(most + 1)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); {remedy}") from error
    if len(content) > most:
        raise InputError(f"{path}: larger than {most >> 10} KiB, which no such file is; {remedy}")
    return content


def read_text(path: Path, remedy: str, most: int = _MOST_BYTES) -> str:
    """The text of a file, as `read_bounded` reads it; `InputError` with the line if it is not UTF-8."""
    content = read_bounded(path, remedy, most)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise InputError(f"{path}:{line}: not UTF-8; {remedy}") from error


def read_json(path: Path, kind: TypeAdapter[Content], remedy: str) -> Content:
    """What a JSON file of ours holds, as the type that it was written from; `InputError` with the remedy if it is
    missing, torn or not JSON, or something in it is missing or of another type."""
    content = read_bounded(path, remedy)
    try:
        return kind.validate_json(content)
    except ValidationError as error:
        raise InputError(f"{path}: {_first_of(error)}; {remedy}") from error


def _first_of(error: ValidationError) -> str:
    """The first thing that is wrong, with its place."""
    first = error.errors(include_url=False)[0]
    if first["type"] == "json_invalid":
        return "not JSON"
    place = ".".join(map(str, (*first["loc"], *([first["ctx"]["key"]] if first["type"] == "unknown_key" else []))))
    return f"{place}: {first['msg']}" if place else first["msg"]


def read_lines(path: Path, kind: TypeAdapter[Content], remedy: str | None = None) -> list[Content]:
    """The objects of a file with one JSON object a line; none if there is no such file.

    A last line that a crash or a full disk cut off is left out.

    Args:
        remedy: what to do about any other damage, which is then an `InputError`; without it, such lines are left out.

    Raises:
        InputError: a line is damaged and there is a remedy.
    """
    if not path.is_file():
        return []
    entries = []
    for number, line in enumerate(path.read_bytes().splitlines(keepends=True), start=1):
        try:
            entries.append(kind.validate_json(line))
        except ValidationError as error:
            if remedy is not None and line.endswith(b"\n"):
                raise InputError(f"{path}:{number}: {_first_of(error)}; {remedy}") from error
    return entries
