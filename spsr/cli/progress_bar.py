"""Progress of long work: a bar on a terminal, plain lines in a log."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Group, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars
from rich.text import Text

from spsr.cli.terminal import terminal
from spsr.progress import Progress

_SECONDS_BETWEEN_LINES = 10.0
_SECONDS_OF_RATE = 120.0


@contextmanager
def progress_bar(title: str) -> Iterator[Progress]:
    """Yield a function to report progress to; it shows a bar on a terminal and a line now and then elsewhere."""
    if not sys.stderr.isatty():
        yield _plain(title)
        return
    with _Bar(title) as bar:
        yield bar.report


class _Rate(ProgressColumn):
    """Steps a second."""

    def render(self, task: Task) -> Text:
        return Text("" if task.speed is None else f"{task.speed:.3g}/s")


class _Bar(Bars):
    """A bar with how much is done, the rate and the time left; on a second line as much of the rest as fits."""

    def __init__(self, title: str) -> None:
        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=None),
            MofNCompleteColumn(),
            _Rate(),
            TimeRemainingColumn(),
        )
        self._current = Text(no_wrap=True, overflow="ellipsis", style="dim")
        super().__init__(
            *columns,
            console=terminal(stderr=True),
            transient=True,
            expand=True,
            speed_estimate_period=_SECONDS_OF_RATE,
        )
        self._task = self.add_task(title, total=None)

    def get_renderable(self) -> RenderableType:
        return Group(super().get_renderable(), self._current)

    def report(self, done: float, total: float, current: str) -> None:
        self._current.plain = current
        self.update(self._task, completed=done, total=total or None)


def _plain(title: str) -> Progress:
    last, said = -_SECONDS_BETWEEN_LINES, ""

    def line(done: float, total: float, current: str) -> None:
        nonlocal last, said
        now = time.monotonic()
        if done >= total or now - last >= _SECONDS_BETWEEN_LINES:
            last = now
            reached = f"{done:g}/{total:g}" if done == int(done) or not total else f"{done / total:.0%}"
            if (text := f"{title}: {reached} {current}".rstrip()) != said:
                print(text, flush=True)
            said = text

    return line
