"""The terminal as commands write to it: text is text, whatever names and titles hold."""

from typing import Any

from rich.console import Console


def terminal(**options: Any) -> Console:
    """A console that takes `[/red]` and `:smile:` for what they are; `options` as rich's own."""
    return Console(markup=False, emoji=False, **options)
