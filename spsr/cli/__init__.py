"""The `spsr` command line: one sub-command per job of the pipeline.

Exit codes: 0 done, 1 failed, 2 bad input, 75 stopped early and resumable.
"""

import errno
import signal
import sys
from typing import Annotated

import typer

from spsr import __version__
from spsr.cli.commands import Commands
from spsr.errors import InputError, RunFailed, Stopped

app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"spsr {__version__}")
        raise typer.Exit


@app.callback()
def spsr(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Show it and exit.")] = (
        False
    ),
) -> None:
    """Reproducible benchmark and ablations of structure-preserving super-resolution (SPSR)."""


_REMEDIES = {
    errno.EACCES: "no permission; choose a place you can write to",
    errno.EROFS: "read-only; choose a place you can write to",
    errno.ENOSPC: "no space left on the disk; free some and run the same command again",
    errno.EDQUOT: "disk quota exceeded; free some space and run the same command again",
}


def main() -> None:
    """Run the command line and turn the project's errors into one line and an exit code."""
    signal.signal(signal.SIGTERM, _terminate)
    try:
        app()
    except InputError as error:
        _end(error, 2)
    except Stopped as stopped:
        _end(stopped, 75)
    except RunFailed as error:
        _end(error, 1)
    except OSError as error:
        if error.errno not in _REMEDIES:
            raise
        _end(f"{error.filename or 'output'}: {_REMEDIES[error.errno]}", 2)


def _terminate(number: int, frame: object) -> None:
    """End as the signal asks, but let every block remove what is half done; a training saves and has its own way."""
    raise SystemExit(128 + number)


def _end(message: object, code: int) -> None:
    label = "stopped" if code == 75 else "error"
    print(f"{label}: {message}", file=sys.stderr)
    raise SystemExit(code)
