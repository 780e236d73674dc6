"""Reading zip and tar archives without trusting them."""

import errno
import io
import tarfile
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import IO, Any

from spsr.data.hashing import SourceError
from spsr.errors import InputError

_MOST_MEMBERS = 200_000
_MOST_EXPANSION, _SMALL = 20, 1 << 26
_BLOCK = 1 << 20


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
                yield _counted(_zip_member(opened, info) for info in opened.infolist() if not info.is_dir())
        else:
            with _Tar.open(archive) as opened_tar:
                yield _counted(_tar_members(opened_tar))
    except (SourceError, InputError):
        raise
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise SourceError(f"not a readable archive ({error})") from error
    except Exception as error:  # encryption, unknown methods, odd headers, corrupt streams: each has its own
        said = " ".join(str(error).split())
        raise SourceError(f"not a readable archive ({type(error).__name__}: {said})") from error


def _counted(found: Iterator[Member]) -> list[Member]:
    """All members, as long as they are no more than any data set has."""
    listed = list(islice(found, _MOST_MEMBERS + 1))
    if len(listed) > _MOST_MEMBERS:
        raise SourceError(f"the archive holds more than {_MOST_MEMBERS} files")
    return listed


def _zip_member(opened: zipfile.ZipFile, info: zipfile.ZipInfo) -> Member:
    kind = info.external_attr >> 16 & 0o170000
    return Member(_checked(info.filename, kind not in (0, 0o100000)), info.file_size, lambda: opened.open(info))


class _Tar(tarfile.TarFile):
    """A tar archive of which not even a header unpacks to far more than it is."""

    def __init__(self, name: Any, mode: Any = "r", fileobj: Any = None, **options: Any) -> None:
        unpacked: Any = fileobj and _Unpacked(fileobj, _most_of(Path(name)))
        super().__init__(name, mode, unpacked, **options)


class _Unpacked:
    """What a compressed file unpacks to, up to `most` bytes; `tarfile` asks for a header in one piece."""

    def __init__(self, stream: IO[bytes], most: int) -> None:
        self._stream, self._most = stream, most
        self.tell, self.close = stream.tell, stream.close

    def read(self, count: int) -> bytes:
        self._check(self.tell() + count)
        if count > _SMALL:
            raise SourceError(f"the archive holds a header of {count} bytes")
        return self._stream.read(count)

    def seek(self, place: int) -> None:
        self._check(place)
        self._stream.seek(place)

    def _check(self, place: int) -> None:
        if place > self._most:
            raise SourceError(f"the archive would unpack to more than {self._most} bytes")


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
        _refuse_bomb(archive, chosen)
        for member in chosen:
            place = target.joinpath(*member.path.parts)
            place.parent.mkdir(parents=True, exist_ok=True)
            with member.open() as source, place.open("wb") as sink:
                _copy(source, sink, member.size)
        return len(chosen)


def _refuse_bomb(archive: Path, chosen: Sequence[Member]) -> None:
    """Images and weights are compressed already: what says that it unpacks to far more is no data set."""
    unpacked, most = sum(member.size for member in chosen), _most_of(archive)
    if unpacked > most:
        raise SourceError(f"the archive would unpack to {unpacked} bytes, more than {most}")


def _most_of(archive: Path) -> int:
    return _MOST_EXPANSION * archive.stat().st_size + _SMALL


def _copy(source: IO[bytes], sink: IO[bytes], size: int) -> None:
    """Copy a member, and no more than the size that the archive gives for it."""
    left = size
    while block := source.read(min(_BLOCK, left + 1)):
        left -= len(block)
        if left < 0:
            raise SourceError("the archive holds a member larger than it says")
        sink.write(block)


def read_member(archive: Path, name: str) -> bytes:
    """The bytes of the member `name`, which may leave out an sdist's leading `package-version/` folder."""
    wanted = PurePosixPath(name).parts
    with members(archive) as found:
        for member in found:
            if member.path.parts == wanted or member.path.parts[1:] == wanted:
                _refuse_bomb(archive, [member])
                content = io.BytesIO()
                with member.open() as stream:
                    _copy(stream, content, member.size)
                return content.getvalue()
    raise SourceError(f"{archive.name} holds no {name}")
