"""What a run of the workflow shows: on a terminal one view of all jobs, elsewhere a line a finished job.

Snakemake's own log under `.snakemake/log` keeps everything else.
"""

import logging
import re
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text
from snakemake_interface_logger_plugins.common import LogEvent

_LINES_OF_LOG = 12
_RUNNING_SHOWN = 8
_NAMES_SHOWN = 60
_CHATTER = (
    "Select jobs to execute",
    "Assuming unrestricted shared filesystem",
    "Building DAG of jobs",
    "Using shell",
    "Using profile",
    "Execute ",
    "host:",
    "Provided cores",
    "Conda environments: ignored",
    "Rules claiming more threads",
    "Shutting down, this might take some time",
    "Exiting because a job execution failed",
    "Touching output file",
    "Complete log",
    "None",
    "This was a dry-run",
    "The order of jobs",
    "Reasons:",
    "Would remove temporary",
)
"""How messages begin that say nothing to a person who waits for the jobs."""

_REASONS = {
    "Missing output files": "not there yet",
    "Incomplete": "left unfinished",
    "Input files updated by another job": "after another",
    "Updated input files": "newer input",
    "Set of input files has changed": "other inputs",
    "Params have changed": "other settings",
    "Forced execution": "asked for",
    "Code has changed": "other code",
}
"""How Snakemake's reasons for a job begin, and what the table of a dry run says instead."""


def take_over(logger: logging.Logger, settings: Any) -> None:
    """Put this view in the place of Snakemake's own terminal output.

    What was asked for instead stays as it is: a logger plug-in, `--quiet`, `--verbose`, `--printshellcmds` or
    `--debug-dag`; so does the log file.

    Args:
        logger: Snakemake's.
        settings: Snakemake's settings of its output.
    """
    if settings.quiet or settings.verbose or settings.printshellcmds or settings.debug_dag:
        return
    for handler in list(logger.handlers):
        if handler.name == "DefaultStreamHandler":
            logger.removeHandler(handler)
            logger.addHandler(
                WorkflowView(Console(stderr=True, highlight=False, markup=False, emoji=False), dry_run=settings.dryrun)
            )


@dataclass
class _Job:
    """A job that runs: what it is called, its rule, its logs, and when it began."""

    title: str
    rule: str
    logs: list[str]
    began: float = field(default_factory=time.monotonic)


class WorkflowView(logging.Handler):
    """Shows what runs now, a bar over all jobs with the time left, and failures with the end of their logs.

    Args:
        console: where to show it; a terminal gets the view, anything else plain lines.
        dry_run: list the jobs by rule, instead of following them.
    """

    def __init__(self, console: Console, *, dry_run: bool = False) -> None:
        super().__init__()
        self._console = console
        self._dry_run = dry_run
        self._running: dict[int, _Job] = {}
        self._planned: Counter[str] = Counter()
        self._listed: dict[tuple[str, str], list[str]] = {}
        self._seconds: dict[str, list[float]] = {}
        self._began = time.monotonic()
        self._bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[left]}", markup=False),
            console=console,
        )
        self._jobs = self._bar.add_task("jobs", total=None, left="")
        self._live = Live(console=console, get_renderable=self._view, refresh_per_second=2, transient=True)

    def emit(self, record: logging.LogRecord) -> None:
        """Show one record of Snakemake's."""
        try:
            event = getattr(record, "event", None)
            if event == LogEvent.RUN_INFO:
                self._run_info(record)
            elif event == LogEvent.JOB_INFO:
                self._job_info(record)
            elif event == LogEvent.JOB_FINISHED:
                self._job_finished(record)
            elif event == LogEvent.JOB_ERROR:
                self._job_error(record)
            elif event in (None, LogEvent.ERROR):
                self._message(record)
        except Exception:
            self.handleError(record)

    def close(self) -> None:
        """End the view; a dry run prints its table of jobs now."""
        self._live.stop()
        if self._dry_run and self._listed:
            self._console.print(self._dry_run_table())
            self._listed = {}
        super().close()

    def _run_info(self, record: Any) -> None:
        self._planned = Counter({rule: n for rule, n in record.stats.items() if rule != "total"})
        self._bar.update(self._jobs, total=self._planned.total())
        if not self._dry_run and self._console.is_terminal:
            self._live.start()

    def _job_info(self, record: Any) -> None:
        rule, wildcards = record.rule_name, record.wildcards or {}
        name, seed = wildcards.get("name", ""), f"seed {wildcards['seed']}" if "seed" in wildcards else ""
        title = " ".join(filter(None, (rule, name, seed)))
        self._running[record.jobid] = _Job(title, rule, [str(log) for log in record.log or ()])
        if rule != "all":
            self._listed.setdefault((rule, _why(str(record.reason))), []).append(name)

    def _job_finished(self, record: Any) -> None:
        job = self._running.pop(record.job_id, None)
        if job is None:
            return
        seconds = time.monotonic() - job.began
        self._seconds.setdefault(job.rule, []).append(seconds)
        done = sum(map(len, self._seconds.values()))
        self._bar.update(self._jobs, completed=done, left=self._left())
        if not self._console.is_terminal and job.rule != "all":
            self._console.print(f"{done}/{self._planned.total()} {job.title}: {_span(seconds)}", soft_wrap=True)

    def _job_error(self, record: Any) -> None:
        job = self._running.pop(record.jobid, None)
        if job is None:
            return
        self._console.print(Text(f"failed: {job.title}", style="bold red"), soft_wrap=True)
        for log in job.logs:
            self._console.print(f"  the end of {log}:", style="dim", soft_wrap=True)
            for line in _end_of(Path(log)):
                self._console.print(Text(f"  {line}"), soft_wrap=True)

    def _message(self, record: logging.LogRecord) -> None:
        message = record.getMessage().strip()
        if not message or message.startswith(_CHATTER):
            return
        if "CalledProcessError" in message:
            # Its end says how the command died; that it failed, and why, stands in the job's log.
            message = f"a command {died[0]}" if (died := re.search(r"died with .*>", message)) else ""
        style = "red" if record.levelno >= logging.ERROR else "yellow" if record.levelno >= logging.WARNING else ""
        if message:
            self._console.print(Text(message, style=style), soft_wrap=True)

    def _left(self) -> str:
        """The time left: the jobs to come at the mean duration of their rule, as many at once as so far."""
        finished = [seconds for of_rule in self._seconds.values() for seconds in of_rule]
        at_once = max(1.0, sum(finished) / (time.monotonic() - self._began))
        usual = sum(finished) / len(finished)
        left = 0.0
        for rule, planned in self._planned.items():
            of_rule = self._seconds.get(rule, [])
            mean = sum(of_rule) / len(of_rule) if of_rule else usual
            left += mean * max(0, planned - len(of_rule))
        return f"about {_span(left / at_once)} left"

    def _view(self) -> Group:
        now = time.monotonic()
        running = list(self._running.values())
        lines = [Text(f"  {job.title}  {_span(now - job.began)}", style="dim") for job in running[:_RUNNING_SHOWN]]
        if len(running) > _RUNNING_SHOWN:
            lines.append(Text(f"  and {len(running) - _RUNNING_SHOWN} more", style="dim"))
        return Group(self._bar, *lines)

    def _dry_run_table(self) -> Table:
        table = Table(title="Jobs that would run", title_justify="left")
        for heading in ("rule", "jobs", "why", "of"):
            table.add_column(
                heading, justify="right" if heading == "jobs" else "left", no_wrap=heading in ("rule", "why")
            )
        for (rule, why), names in self._listed.items():
            table.add_row(rule, str(len(names)), why, _abridged(names))
        table.add_section()
        table.add_row("in all", str(sum(map(len, self._listed.values()))))
        return table


def _why(reason: str) -> str:
    """Snakemake's reason for a job in two or three words."""
    return next((words for beginning, words in _REASONS.items() if reason.startswith(beginning)), "")


def _abridged(names: list[str]) -> str:
    """`rrdb, esrgan (2), …`: names with how many jobs each has, as far as there is room."""
    counted = Counter(filter(None, names))
    words = [name if count == 1 else f"{name} ({count})" for name, count in counted.items()]
    shown: list[str] = []
    for word in words:
        if sum(map(len, shown)) + len(word) > _NAMES_SHOWN:
            return ", ".join([*shown, f"and {len(words) - len(shown)} more"])
        shown.append(word)
    return ", ".join(shown)


def _end_of(log: Path) -> list[str]:
    """The last lines of a log that say something."""
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ["(there is no log)"]
    return [line for line in lines if line.strip()][-_LINES_OF_LOG:] or ["(it is empty)"]


def _span(seconds: float) -> str:
    """`12 s`, `3 min 05 s`, `2 h 10 min`."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"
