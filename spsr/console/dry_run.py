"""The table in which a dry run ends: the jobs that would run, and why."""

from collections import Counter
from collections.abc import Mapping, Sequence

from rich.table import Table

_NAMES_SHOWN = 60
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


def table_of(listed: Mapping[tuple[str, str], Sequence[str]]) -> Table:
    """The jobs that would run, by rule and why: the names of what each is of."""
    table = Table(title="Jobs that would run", title_justify="left")
    for heading in ("rule", "jobs", "why", "of"):
        table.add_column(heading, justify="right" if heading == "jobs" else "left", no_wrap=heading in ("rule", "why"))
    for (rule, why), names in listed.items():
        table.add_row(rule, str(len(names)), why, _abridged(names))
    table.add_section()
    table.add_row("in all", str(sum(map(len, listed.values()))))
    return table


def why(reason: str) -> str:
    """Snakemake's reason for a job in two or three words."""
    return next((words for beginning, words in _REASONS.items() if reason.startswith(beginning)), "")


def _abridged(names: Sequence[str]) -> str:
    """`rrdb, esrgan (2), …`: names with how many jobs each has, as far as there is room."""
    counted = Counter(filter(None, names))
    words = [name if count == 1 else f"{name} ({count})" for name, count in counted.items()]
    shown: list[str] = []
    for word in words:
        if sum(map(len, shown)) + len(word) > _NAMES_SHOWN:
            return ", ".join([*shown, f"and {len(words) - len(shown)} more"])
        shown.append(word)
    return ", ".join(shown)
