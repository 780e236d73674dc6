"""How long work tells how far it is."""

from collections.abc import Callable

Progress = Callable[[float, float, str], None]
"""Called with how much is done, of how much (0 if that is not known), and what is at hand."""


def silent(done: float, total: float, current: str) -> None:
    """Progress that nobody looks at."""
