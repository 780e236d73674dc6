"""One file over http(s): resumed where the server can, tried again where that may help."""

import errno
import hashlib
import http.client
import socket
import time
import urllib.error
import urllib.request
from concurrent.futures import wait
from dataclasses import dataclass, field
from pathlib import Path

from spsr import __version__
from spsr.background import begun
from spsr.data.hashing import SourceError
from spsr.progress import Progress, silent

ATTEMPTS = 4
CONNECT_ATTEMPTS = 2
_TIMEOUT = 20.0
_BLOCK = 1 << 18
MOST_BYTES = 64 << 30
"""Of a file whose size the registry does not know; the largest dataset has 8 GB."""

SLOWEST, GRACE = 2_000.0, 60.0
"""Bytes a second that a transfer must bring on the mean, after so many seconds."""

_LOOK = 0.5
"""Seconds between two looks at a transfer."""

LONGEST = 24 * 3600.0
"""Seconds of a transfer in all."""
_TRANSIENT_STATUS = {408, 425, 429, 500, 502, 503, 504}


class _TransientError(Exception):
    """A failure after which the same request may succeed."""

    attempts = ATTEMPTS


class _NoConnectionError(_TransientError):
    """Nothing answers; where packets are dropped in silence, each attempt takes the whole time limit."""

    attempts = CONNECT_ATTEMPTS


@dataclass
class _Transfer:
    """What is known about the transfer of one address so far."""

    resumable: bool = False
    total: int | None = None
    began: float = field(default_factory=time.monotonic)
    received: int = 0

    def check_pace(self) -> None:
        """`SourceError` if it does not come, whatever of it: an answer, its headers, bytes or their end."""
        spent = time.monotonic() - self.began
        if spent > LONGEST:
            raise SourceError(f"took more than {LONGEST / 3600:.0f} hours, and was left")
        if spent > GRACE and self.received < SLOWEST * spent:
            raise SourceError(f"brought {self.received} bytes in {spent:.0f} s, and was left")


def download(
    url: str,
    target: Path,
    *,
    size: int | None = None,
    progress: Progress = silent,
    backoff: float = 1.0,
) -> None:
    """Transfer `url` into `target`.

    A partial transfer lies beside `target` as `.NAME.<address>.part` and is gone on from with a Range request,
    also by a later call after an interruption. An attempt that brought bytes does not count as a failed one.

    Args:
        size: expected bytes; a server that announces another size is refused at once.
        backoff: seconds before the second attempt, doubled before each further one.

    Raises:
        SourceError: the address did not give a whole file. The partial file is removed unless the server
            can resume.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}.{hashlib.sha256(url.encode()).hexdigest()[:8]}.part")
    transfer = _Transfer()
    failures = 0
    while True:
        before = partial.stat().st_size if partial.exists() else 0
        try:
            transfer.check_pace()
            attempt = begun(lambda: _attempt(url, partial, transfer, size, target.name, progress))
            while not wait([attempt], _LOOK).done:
                transfer.check_pace()
            attempt.result()
            partial.replace(target)
            return
        except _TransientError as error:
            advanced = transfer.resumable and partial.exists() and partial.stat().st_size > before
            failures = 1 if advanced else failures + 1
            if failures >= error.attempts:
                if not transfer.resumable:
                    partial.unlink(missing_ok=True)
                raise SourceError(f"{error} ({failures} attempts)") from error
            time.sleep(backoff * 2 ** (failures - 1))
        except SourceError:
            partial.unlink(missing_ok=True)
            raise
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                error.filename = str(partial)
                raise
            partial.unlink(missing_ok=True)
            raise SourceError(f"cannot be written ({error.strerror or error})") from error


def _attempt(url: str, partial: Path, transfer: _Transfer, size: int | None, label: str, progress: Progress) -> None:
    have = partial.stat().st_size if partial.exists() else 0
    request = urllib.request.Request(url, headers={"User-Agent": f"spsr/{__version__}"})
    if have:
        request.add_header("Range", f"bytes={have}-")
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT) as answer:
            if answer.status != 206 or not _starts_at(answer, have):
                have = 0
            transfer.resumable = answer.status == 206 or answer.headers.get("Accept-Ranges") == "bytes"
            announced = answer.headers.get("Content-Length")
            transfer.total = have + int(announced) if announced and announced.isdecimal() else None
            if size is not None and transfer.total is not None and transfer.total != size:
                raise SourceError(f"truncated or another file: {transfer.total} bytes instead of {size}")
            if "text/html" in answer.headers.get("Content-Type", ""):
                raise SourceError("gave a web page instead of the file")
            _receive(answer, partial, have, transfer, size or MOST_BYTES, label, progress)
    except urllib.error.HTTPError as error:
        if error.code == 416 and have:
            partial.unlink()
            raise _TransientError("the partial file did not fit the server's") from error
        if error.code in _TRANSIENT_STATUS:
            raise _TransientError(_status(error)) from error
        raise SourceError(_status(error)) from error
    except urllib.error.URLError as error:
        if isinstance(error.reason, socket.gaierror):
            raise SourceError("host name cannot be resolved (no network?)") from error
        raise _NoConnectionError(f"no connection ({error.reason})") from error
    except (TimeoutError, ConnectionError, http.client.HTTPException) as error:
        raise _TransientError(f"the connection broke ({type(error).__name__})") from error
    except ValueError as error:
        raise SourceError("is no address, or gave an answer that is not HTTP") from error


def _status(error: urllib.error.HTTPError) -> str:
    """`HTTP 404 Not Found`, without what a server may have put into it for a terminal."""
    said = "".join(char for char in str(error.reason) if char.isprintable())
    return f"HTTP {error.code} {said[:100]}"


def _starts_at(answer: http.client.HTTPResponse, offset: int) -> bool:
    return answer.headers.get("Content-Range", "").startswith(f"bytes {offset}-")


def _receive(
    answer: http.client.HTTPResponse,
    partial: Path,
    have: int,
    transfer: _Transfer,
    most: int,
    label: str,
    progress: Progress,
) -> None:
    with partial.open("ab" if have else "wb") as stream:
        progress(have, transfer.total or 0, label)
        # `read1` gives what has come; `read` would wait for a whole block, however slowly a server drips.
        while block := answer.read1(_BLOCK):
            stream.write(block)
            have += len(block)
            transfer.received += len(block)
            if have > most:
                raise SourceError(f"gives more than {most} bytes, and was left")
            progress(have, transfer.total or 0, label)
    if transfer.total is not None and have < transfer.total:
        raise _TransientError(f"truncated at {have} of {transfer.total} bytes")
