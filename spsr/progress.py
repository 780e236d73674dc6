"""How work tells how far it is, and how long it takes."""

from collections.abc import Callable

Progress = Callable[[float, float, str], None]
"""Called with how much is done, of how much (0 if that is not known), and what is at hand."""


def silent(done: float, total: float, current: str) -> None:
    """Progress that nobody looks at."""


def duration(seconds: float) -> str:
    """`< 1 s`, `45 s`, `12 min`, `8.5 h` or `3.2 days`."""
    if 0 < seconds < 0.5:
        return "< 1 s"
    for limit, unit, text in ((90, 1, "{:.0f} s"), (5400, 60, "{:.0f} min"), (48 * 3600, 3600, "{:.1f} h")):
        if seconds < limit:
            return text.format(seconds / unit)
    return f"{seconds / 86400:.1f} days"
