"""The three ways in which a command ends other than by finishing its work."""

from collections.abc import Iterator
from contextlib import contextmanager


class InputError(Exception):
    """Something the user gave is wrong (exit code 2).

    The message is one line: the place, what is wrong with it, and the remedy.
    """


@contextmanager
def naming(place: object) -> Iterator[None]:
    """Put the place before the message of an `InputError` or `RunFailed` in this block that does not know it."""
    try:
        yield
    except (InputError, RunFailed) as error:
        raise type(error)(f"{place}: {error}") from error


class Stopped(Exception):
    """The work was stopped early, everything is saved, and the same command goes on with it (exit code 75)."""


class RunFailed(Exception):
    """The work itself failed, for a reason that a person has to look at (exit code 1)."""


class Terminated(SystemExit):
    """A signal ended the process: blocks remove what is half done, and nobody takes it for code of one's own."""
