"""On a terminal one view of all jobs, elsewhere a line a finished job."""

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
from rich.text import Text
from snakemake_interface_logger_plugins.common import LogEvent

from spsr.console.dry_run import table_of, why
from spsr.files import end_of
from spsr.progress import duration

_LINES_OF_LOG = 12
_RUNNING_SHOWN = 8
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
            self._console.print(table_of(self._listed))
            self._listed = {}
        super().close()

    def _run_info(self, record: Any) -> None:
        self._planned.clear()
        for rule, count in record.stats.items():
            if rule != "total":
                self._planned[rule.partition(".")[0]] += count
        self._bar.update(self._jobs, total=self._planned.total())
        if not self._dry_run and self._console.is_terminal:
            self._live.start()

    def _job_info(self, record: Any) -> None:
        (rule, _, part), wildcards = record.rule_name.partition("."), record.wildcards or {}
        name, seed = wildcards.get("name", part), f"seed {wildcards['seed']}" if "seed" in wildcards else ""
        title = " ".join(filter(None, (rule, name, seed)))
        self._running[record.jobid] = _Job(title, rule, [str(log) for log in record.log or ()])
        if rule != "all":
            self._listed.setdefault((rule, why(str(record.reason))), []).append(name)

    def _job_finished(self, record: Any) -> None:
        job = self._running.pop(record.job_id, None)
        if job is None:
            return
        seconds = time.monotonic() - job.began
        self._seconds.setdefault(job.rule, []).append(seconds)
        done = sum(map(len, self._seconds.values()))
        self._bar.update(self._jobs, completed=done, left=self._left())
        if not self._console.is_terminal and job.rule != "all":
            self._console.print(f"{done}/{self._planned.total()} {job.title}: {duration(seconds)}", soft_wrap=True)

    def _job_error(self, record: Any) -> None:
        job = self._running.pop(record.jobid, None)
        if job is None:
            return
        self._console.print(Text(f"failed: {job.title}", style="bold red"), soft_wrap=True)
        for log in job.logs:
            self._console.print(f"  the end of {log}:", style="dim", soft_wrap=True)
            for line in end_of(Path(log), _LINES_OF_LOG) or ["(there is nothing in it)"]:
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
        return f"about {duration(left / at_once)} left"

    def _view(self) -> Group:
        now = time.monotonic()
        running = list(self._running.values())
        lines = [Text(f"  {job.title}  {duration(now - job.began)}", style="dim") for job in running[:_RUNNING_SHOWN]]
        if len(running) > _RUNNING_SHOWN:
            lines.append(Text(f"  and {len(running) - _RUNNING_SHOWN} more", style="dim"))
        return Group(self._bar, *lines)
