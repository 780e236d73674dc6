"""The commands of `spsr` by name; a command's module is imported when the command is called."""

import traceback
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from spsr.cli.failures import CLOSED
from spsr.errors import RunFailed, Terminated

COMMANDS = {
    "methods": "List every method: what it starts from, the paper's name for it, and its losses; all of it for those "
    "named.",
    "plan": "What a preset will cost before anything is launched: runs, FLOPs, hours, memory, disk, and time on N "
    "GPUs.",
    "doctor": "Check that a preset can run here, and with --slurm on the cluster; every line is ok or says what to do.",
    "fetch": "Download and check datasets and pretrained weights; jobs use no network and find them in resources/.",
    "prepare": "Write HR and LR images of benchmarks, or pack the training images of a preset.",
    "pretrain": "Train a structure extractor by self-supervision (Section 4.2), or nmd, which judges how natural "
    "images look.",
    "probe": "Measure what an extractor knows: accuracies of fresh heads on both self-supervised tasks (Section 5.2).",
    "train": "Train a super-resolution method, or go on with its training where it was interrupted.",
    "slot": "Run a training command in a Slurm job: end it before the job's limit and put the job back in the queue.",
    "evaluate": "Super-resolve every benchmark of a preset with one run of each method, and score the images.",
    "upscale": "Super-resolve images by a factor of 4 with a method, a checkpoint, or bicubic interpolation.",
    "export": "Write a network for other projects: in its authors' layout, for spandrel, or as ONNX.",
    "score": "Score super-resolved images: LPIPS, PSNR and SSIM as the paper computes them, and standard SSIM.",
    "table": "Write Tables 1-7 beside the paper's values as csv, md, tex and html.",
    "figure": "Draw the paper's figures from a preset's results, as png and pdf.",
    "report": "Write the report: one page that opens offline, with verdicts, tables, figures, runs and an image "
    "browser.",
    "track": "Import every finished run into MLflow; what is there already is left alone.",
    "status": "Show how far each training of a preset is and what is left of it, and where the results are.",
    "schema": "Write the JSON schemas of the configuration files, by which editors complete and check them.",
    "ui": "Show the runs of a preset in MLflow's own pages, on 127.0.0.1 only.",
    "study": "A blinded user study (Figure 9): write its page, collect its votes.",
}
"""The first line of each command's help. `spsr.cli.NAME` holds the command, as `NAME`."""


class Commands(TyperGroup):
    """The group of all commands."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands = {name: _Named(name, help=line) for name, line in COMMANDS.items()}

    def invoke(self, ctx: Any) -> Any:
        """Call a command. None of ours ends the program itself: where one ends, code of one's own did it."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            raise RunFailed(CLOSED) from None
        except Terminated:
            raise
        except SystemExit as error:
            if isinstance(error.__context__, BrokenPipeError):
                raise RunFailed(CLOSED) from None
            frame = traceback.extract_tb(error.__traceback__)[-1]
            place = f"{frame.filename}:{frame.lineno}, in {frame.name}"
            raise RunFailed(f"{place}: ended the program (exit {error.code}) before its work was done") from error


class _Named(TyperCommand):
    """What is known of a command before it is called."""

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        return imported(str(self.name)).make_context(info_name, args, parent, **extra)


def imported(name: str) -> Any:
    """The command `name`, with its arguments and options."""
    command = getattr(import_module(f"spsr.cli.{name}"), name)
    if not isinstance(command, typer.Typer):
        app = typer.Typer(add_completion=False)
        app.command(name)(command)
        command = app
    return typer.main.get_command(command)
