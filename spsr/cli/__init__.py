"""The `spsr` command line: one sub-command per job of the pipeline.

Exit codes: 0 done, 1 failed, 2 bad input, 75 stopped early and resumable.
"""

import errno
import sys

import typer

from spsr.cli.doctor import doctor
from spsr.cli.evaluate import evaluate
from spsr.cli.fetch import fetch
from spsr.cli.figure import figure
from spsr.cli.methods import methods
from spsr.cli.plan import plan
from spsr.cli.prepare import prepare
from spsr.cli.pretrain import pretrain
from spsr.cli.probe import probe
from spsr.cli.report import report
from spsr.cli.score import score
from spsr.cli.slot import slot
from spsr.cli.status import status
from spsr.cli.study import study
from spsr.cli.table import table
from spsr.cli.track import track
from spsr.cli.train import train
from spsr.cli.ui import ui
from spsr.cli.upscale import upscale
from spsr.errors import InputError, RunFailed, Stopped

app = typer.Typer(
    help="Reproducible benchmark and ablations of structure-preserving super-resolution (SPSR).",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (
    methods,
    plan,
    doctor,
    fetch,
    prepare,
    pretrain,
    probe,
    train,
    slot,
    evaluate,
    upscale,
    score,
    table,
    figure,
    report,
    track,
    status,
    ui,
):
    app.command()(command)
app.add_typer(study, name="study")

_REMEDIES = {
    errno.EACCES: "no permission; choose a place you can write to",
    errno.EROFS: "read-only; choose a place you can write to",
    errno.ENOSPC: "no space left on the disk; free some and run the same command again",
    errno.EDQUOT: "disk quota exceeded; free some space and run the same command again",
}


def main() -> None:
    """Run the command line and turn the project's errors into one line and an exit code."""
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


def _end(message: object, code: int) -> None:
    label = "stopped" if code == 75 else "error"
    print(f"{label}: {message}", file=sys.stderr)
    raise SystemExit(code)
