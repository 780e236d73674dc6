"""Stopping early on request: a signal or a time limit ends a run after the step in progress."""

import signal
from time import monotonic
from types import FrameType
from typing import Self

from spsr.training import distributed

_SIGNALS = (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT)


class StopRequest:
    """Notes SIGTERM, SIGUSR1, SIGINT and the end of `max_minutes` while it is entered.

    The first SIGINT only asks for a stop; a second one interrupts at once.
    """

    def __init__(self, max_minutes: float | None = None) -> None:
        self._deadline = None if max_minutes is None else monotonic() + 60 * max_minutes
        self._signal = 0
        self._before: dict[int, object] = {}

    def __enter__(self) -> Self:
        for number in _SIGNALS:
            self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._signal = number
        if number == signal.SIGINT:
            signal.signal(number, signal.default_int_handler)

    def reason(self) -> str | None:
        """Why any of the processes asks for a stop; none if no one does. All must call it together."""
        own = self._signal
        if not own and self._deadline is not None and monotonic() >= self._deadline:
            own = signal.NSIG
        number = distributed.any_of(own)
        if not number:
            return None
        return "the time limit" if number == signal.NSIG else signal.Signals(number).name
