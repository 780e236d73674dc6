"""Reading zip and tar archives without trusting them."""

import shutil
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from spsr.data.hashing import SourceError


@dataclass(frozen=True)
class Member:
    """One regular file of an archive, with its checked relative path."""

    path: PurePosixPath
    size: int
    open: Callable[[], IO[bytes]]


def _checked(name: str, link: bool) -> PurePosixPath:
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or ":" in (path.parts[0] if path.parts else ""):
        raise SourceError(f"the archive holds a path outside its folder ('{name}')")
    if link:
        raise SourceError(f"the archive holds a link or a special file ('{name}')")
    return path


@contextmanager
def members(archive: Path) -> Iterator[list[Member]]:
    """Every regular file of a zip or tar archive.

    Raises:
        SourceError: not a readable archive, or any entry is absolute, climbs out with `..`, or is a link or
            a device.
    """
    try:
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as opened:
                yield [_zip_member(opened, info) for info in opened.infolist() if not info.is_dir()]
        else:
            with tarfile.open(archive) as opened_tar:
                yield list(_tar_members(opened_tar))
    except (tarfile.TarError, zipfile.BadZipFile, EOFError, OSError, zipfile.zlib.error) as error:  # type: ignore[attr-defined]
        raise SourceError(f"not a readable archive ({error})") from error


def _zip_member(opened: zipfile.ZipFile, info: zipfile.ZipInfo) -> Member:
    kind = info.external_attr >> 16 & 0o170000
    return Member(_checked(info.filename, kind not in (0, 0o100000)), info.file_size, lambda: opened.open(info))


def _tar_members(opened: tarfile.TarFile) -> Iterator[Member]:
    for info in opened:
        path = _checked(info.name, not (info.isfile() or info.isdir()))
        if info.isfile():
            yield Member(path, info.size, lambda info=info: _tar_stream(opened, info))  # type: ignore[misc]


def _tar_stream(opened: tarfile.TarFile, info: tarfile.TarInfo) -> IO[bytes]:
    stream = opened.extractfile(info)
    assert stream is not None  # only regular files come here
    return stream


def extract(archive: Path, target: Path, wanted: Callable[[PurePosixPath], bool]) -> int:
    """Write the members for which `wanted` holds below `target`; returns how many.

    The whole archive is checked before the first byte is written.
    """
    with members(archive) as found:
        chosen = [member for member in found if wanted(member.path)]
        for member in chosen:
            place = target.joinpath(*member.path.parts)
            place.parent.mkdir(parents=True, exist_ok=True)
            with member.open() as source, place.open("wb") as sink:
                shutil.copyfileobj(source, sink, 1 << 20)
        return len(chosen)


def read_member(archive: Path, name: str) -> bytes:
    """The bytes of the member `name`, which may leave out an sdist's leading `package-version/` folder."""
    wanted = PurePosixPath(name).parts
    with members(archive) as found:
        for member in found:
            if member.path.parts == wanted or member.path.parts[1:] == wanted:
                with member.open() as stream:
                    return stream.read()
    raise SourceError(f"{archive.name} holds no {name}")
