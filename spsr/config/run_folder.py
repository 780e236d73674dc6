"""The folder of one training: the names of its files, and their readers."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spsr.files import read_lines


@dataclass(frozen=True)
class RunFolder:
    """Where the training of a method or extractor keeps what it makes.

    Attributes:
        path: the folder.
    """

    path: Path

    @property
    def model(self) -> Path:
        """The trained weights; written last, so that they mark a finished run."""
        return self.path / "model.safetensors"

    @property
    def record(self) -> Path:
        """What the weights depend on, and the versions that the run began with."""
        return self.path / "run.yaml"

    @property
    def events(self) -> Path:
        """Losses by step: nothing that differs between two runs of one seed."""
        return self.path / "events.jsonl"

    @property
    def ledger(self) -> Path:
        """What the training cost: times, rates and memory, and the validations."""
        return self.path / "ledger.jsonl"

    @property
    def checkpoints(self) -> Path:
        """Folder of the checkpoints from which the training goes on."""
        return self.path / "checkpoints"

    @property
    def lock(self) -> Path:
        """Held by the process that trains."""
        return self.path / ".lock"

    @property
    def live_lock(self) -> Path:
        """Held by the process that feeds MLflow while the training goes on."""
        return self.path / ".live.lock"

    @property
    def live_log(self) -> Path:
        """What that process could not send."""
        return self.path / "live.log"

    def read_events(self) -> list[dict[str, Any]]:
        """The lines of `events`; `InputError` if one of them is damaged, for they are the record of the run."""
        return read_lines(self.events, remedy="run the training again with --restart")

    def read_ledger(self) -> list[dict[str, Any]]:
        """The lines of `ledger` that can be read: it only informs."""
        return read_lines(self.ledger)
