"""Every failure of the system as one line: the place, what is wrong there, and the remedy."""

import errno
import os

CLOSED = "whoever read the output has closed it, and the command ended early; read it to its end"

_REMEDIES = {
    errno.EROFS: "read-only; choose a place you can write to",
    errno.ENOSPC: "no space left on the disk; free some and run the same command again",
    errno.EDQUOT: "disk quota exceeded; free some space and run the same command again",
    errno.EFBIG: "larger than files may be here; choose another disk, or raise the limit (ulimit -f)",
    errno.EIO: "the disk cannot be read or written; check it, or use another",
    errno.EISDIR: "is a folder; name a file",
    errno.ENOTDIR: "a part of the path is a file, not a folder; choose another path",
    errno.EEXIST: "exists already; move it away, or choose another name",
    errno.ENOENT: "no such file or folder; check the path",
    errno.ENOTEMPTY: "the folder is not empty; move it away, or choose another name",
    errno.ENAMETOOLONG: "the name is too long; choose a shorter one",
    errno.ELOOP: "symbolic links that lead in a circle; remove one of them",
    errno.EMFILE: "too many open files; raise the limit (ulimit -n)",
    errno.ENOMEM: "no memory left; close other programs, or ask for more",
    errno.EPIPE: CLOSED,
    errno.ETXTBSY: "is a program that runs; end it first",
    errno.EBUSY: "is in use; wait for whoever uses it, and run the same command again",
}


def failure(error: BaseException) -> tuple[str, int] | None:
    """The line and the exit code for what the system refuses; none for what is a mistake of ours."""
    if isinstance(error, OSError):
        return _of_system(error), 1 if error.errno == errno.EPIPE else 2
    if isinstance(error, MemoryError):
        return "no memory left; work on smaller images, or on a machine with more memory", 1
    if isinstance(error, RecursionError):
        return "an input is nested too deeply; make it simpler", 2
    if isinstance(error, UnicodeError):
        given = getattr(error, "object", "")
        return f"{given[:200]!r}: is no text in {getattr(error, 'encoding', 'UTF-8')}; rename or convert it", 2
    return None


def _of_system(error: OSError) -> str:
    place = os.fsdecode(error.filename) if isinstance(error.filename, str | bytes | os.PathLike) else "input or output"
    if error.errno in (errno.EACCES, errno.EPERM):
        if os.path.isfile(place) and not os.access(place, os.R_OK):  # noqa: PTH113 - what is no path must not raise
            return f"{place}: no permission to read it; ask its owner for it (chmod +r)"
        return f"{place}: no permission; choose a place you can write to"
    if error.errno in _REMEDIES:
        return f"{place}: {_REMEDIES[error.errno]}"
    return (
        f"{place}: {error.strerror or error or type(error).__name__}; check this place, and run the same command again"
    )


def one_line(message: object, most: int = 2000) -> str:
    """A message as one line that changes nothing about a terminal: control characters are written out."""
    text = " ".join(str(message).split())
    text = "".join(char if char.isprintable() else char.encode("unicode_escape").decode("ascii") for char in text)
    return text if len(text) <= most else f"{text[:most]} …"
