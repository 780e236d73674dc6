"""Progress of long work: a bar on a terminal, plain lines in a log."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars

from spsr.cli.terminal import terminal
from spsr.progress import Progress

_SECONDS_BETWEEN_LINES = 10.0


@contextmanager
def progress_bar(title: str) -> Iterator[Progress]:
    """Yield a function to report progress to; it shows a bar on a terminal and a line now and then elsewhere."""
    if not sys.stderr.isatty():
        yield _plain(title)
        return
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[current]}", markup=False),
    )
    with Bars(*columns, console=terminal(stderr=True), transient=True) as bars:
        task = bars.add_task(title, total=None, current="")
        yield lambda done, total, current: bars.update(task, completed=done, total=total, current=current)


def _plain(title: str) -> Progress:
    last = -_SECONDS_BETWEEN_LINES

    def line(done: float, total: float, current: str) -> None:
        nonlocal last
        now = time.monotonic()
        if done >= total or now - last >= _SECONDS_BETWEEN_LINES:
            last = now
            print(f"{title}: {done:g}/{total:g} {current}".rstrip(), flush=True)

    return line
