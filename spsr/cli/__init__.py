"""The `spsr` command line: one sub-command per job of the pipeline.

Exit codes: 0 done, 1 failed, 2 bad input, 75 stopped early and resumable.
"""

import os
import signal
import sys
from io import TextIOWrapper
from typing import Annotated

import typer

from spsr import __version__
from spsr.cli.commands import Commands
from spsr.cli.failures import failure, one_line
from spsr.errors import InputError, RunFailed, Stopped, Terminated
from spsr.plugins import exits_seen

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


def main() -> None:
    """Run the command line and turn every error that is not a mistake of ours into one line and an exit code.

    SIGTERM ends it with 143, and lets every block remove what is half done; a training saves and has its own way.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    terminated = False

    def terminate(number: int, frame: object) -> None:
        nonlocal terminated
        terminated = True
        raise Terminated(128 + number)

    signal.signal(signal.SIGTERM, terminate)
    try:
        try:
            with exits_seen():
                app()
        finally:
            if terminated:  # A library that catches everything may have made something else of it.
                raise Terminated(128 + signal.SIGTERM) from None
            sys.stdout.flush()
    except InputError as error:
        _end(error, 2)
    except Stopped as stopped:
        _end(stopped, 75)
    except RunFailed as error:
        _end(error, 1)
    except Exception as error:
        said = failure(error)
        if said is None:
            raise
        if isinstance(error, BrokenPipeError):
            # Else the interpreter tries to write what is left once more when it ends.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        _end(*said)


def _end(message: object, code: int) -> None:
    label = "stopped" if code == 75 else "error"
    print(f"{label}: {one_line(message)}", file=sys.stderr)
    raise SystemExit(code)
