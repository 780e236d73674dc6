"""One line of the doctor."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """What was looked at, what was found, and what to do about it if it is not well.

    Attributes:
        what: the thing that was checked.
        found: what it is like.
        remedy: what to do; empty if all is well.
        fatal: whether a run would fail, so that the remedy is needed and not only advised.
    """

    what: str
    found: str
    remedy: str = ""
    fatal: bool = True

    @property
    def mark(self) -> str:
        """`ok`, `note` or `FAIL`."""
        return "ok" if not self.remedy else "FAIL" if self.fatal else "note"

    def __str__(self) -> str:
        return f"{self.mark:<5}{self.what}: {self.found}" + (f"; {self.remedy}" if self.remedy else "")
