"""Hashes of files, and the check of a file against what is recorded of it."""

import hashlib
from contextlib import suppress
from pathlib import Path

from spsr.config.layout import resources
from spsr.errors import InputError
from spsr.files import write_text

_WORTH_A_NOTE = 1 << 22


class SourceError(Exception):
    """One source did not give the file; the message is the reason, and the next source is tried."""


def file_hash(path: Path, algorithm: str = "sha256") -> str:
    """Hex digest of the file's bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, algorithm).hexdigest()


def known_hash(path: Path) -> str:
    """The sha256 of a file; of a large one it is found once for every path, size and modification time."""
    path = path.resolve()
    status = path.stat()
    if status.st_size < _WORTH_A_NOTE:
        return file_hash(path)
    now = f"{status.st_size} {status.st_mtime_ns} "
    note = resources() / "hashes" / hashlib.sha256(str(path).encode()).hexdigest()[:32]
    with suppress(OSError, UnicodeDecodeError):
        said = note.read_text(encoding="utf-8")
        if said.startswith(now) and len(said) == len(now) + 64:
            return said.removeprefix(now)
    digest = file_hash(path)
    with suppress(OSError):
        write_text(note, now + digest)
    return digest


def verify(path: Path, sha256: str | None, remedy: str) -> Path:
    """The file `path`, if its content is the recorded one or none is recorded.

    Raises:
        InputError: it has another sha256; with what to do.
    """
    if sha256 is not None and (found := known_hash(path)) != sha256:
        raise InputError(f"{path}: damaged, its sha256 is {found[:12]}… and not {sha256[:12]}… as recorded; {remedy}")
    return path


def write_hash_beside(path: Path) -> None:
    """Record the sha256 of `path` in a file of its name with the suffix `.sha256`, as `sha256sum --check` reads it."""
    write_text(path.with_suffix(".sha256"), f"{file_hash(path)}  {path.name}\n")


def hash_beside(path: Path) -> str | None:
    """What `write_hash_beside` recorded of `path`; none if there is no such record of it."""
    try:
        digest, _, name = path.with_suffix(".sha256").read_text(encoding="utf-8").partition("  ")
    except (OSError, UnicodeDecodeError):
        return None
    return digest if name.strip() == path.name and len(digest) == 64 else None


def check_file(path: Path, sha256: str | None, md5: str | None = None, size: int | None = None) -> str:
    """The sha256 of `path` when it agrees with every value that is given, else `SourceError`.

    `sha256` may be a prefix of the full digest.
    """
    found = path.stat().st_size
    if size is not None and found != size:
        raise SourceError(f"truncated or another file: {found} bytes instead of {size}")
    digest = file_hash(path)
    if sha256 is not None and not digest.startswith(sha256):
        raise SourceError(f"wrong sha256 {digest[:12]}… instead of {sha256[:12]}…")
    if md5 is not None and (found_md5 := file_hash(path, "md5")) != md5:
        raise SourceError(f"wrong md5 {found_md5[:12]}… instead of {md5[:12]}…")
    return digest
