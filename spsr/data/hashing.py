"""Hashes of files, and the check of a file against what the registry says of it."""

import hashlib
from pathlib import Path


class SourceError(Exception):
    """One source did not give the file; the message is the reason, and the next source is tried."""


def file_hash(path: Path, algorithm: str = "sha256") -> str:
    """Hex digest of the file's bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, algorithm).hexdigest()


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
