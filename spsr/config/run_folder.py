"""The folder of one training: the names of its files, and their readers."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import ConfigDict, Field, NonNegativeInt, TypeAdapter, ValidationError
from typing_extensions import TypedDict

from spsr.config.yaml_source import Source
from spsr.errors import InputError
from spsr.files import read_lines

Amount = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Event(TypedDict):
    """One line of `events.jsonl`: the means of the losses since the line before."""

    step: NonNegativeInt
    lr: Amount
    losses: dict[str, float]


class Entry(TypedDict, total=False):
    """One line of `ledger.jsonl`: that an execution began, a reading of its rates, or a validation."""

    __pydantic_config__ = ConfigDict(extra="allow")  # type: ignore[misc]

    began_at_step: NonNegativeInt
    step: NonNegativeInt
    steps: NonNegativeInt
    time: Amount
    seconds: Amount
    device: str
    processes: NonNegativeInt
    iterations_per_s: Amount
    samples_per_s: Amount | None
    tflops: Amount | None
    share_of_peak: Amount | None
    peak_memory_mb: Amount
    validation: dict[str, float]
    versions: dict[str, str]


class Record(TypedDict):
    """`run.yaml`: what the weights depend on, and the versions that the run began with."""

    settings: dict[str, Any]
    inputs: dict[str, str]
    versions: dict[str, str]


_RECORD = TypeAdapter(Record)
_EVENT, _ENTRY = TypeAdapter(Event), TypeAdapter(Entry)


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

    def read_record(self) -> dict[str, Any] | None:
        """The content of `record`: settings, inputs and versions; None if there is none, `InputError` if damaged."""
        if not self.record.is_file():
            return None
        try:
            return dict(_RECORD.validate_python(Source(self.record).data, strict=True))
        except (InputError, ValidationError) as error:
            said = error.errors()[0]["msg"] if isinstance(error, ValidationError) else str(error)
            raise InputError(
                f"{self.record}: is not the record of a run ({said}); add --restart to move it aside"
            ) from error

    def read_events(self) -> list[dict[str, Any]]:
        """The lines of `events`; `InputError` if one of them is damaged, for they are the record of the run."""
        return [*map(dict, read_lines(self.events, _EVENT, remedy="run the training again with --restart"))]

    def read_as_it_grows(self) -> tuple[list[dict[str, Any]], list[dict[str, Any]], list[str]]:
        """The lines of `events` and of `ledger` that can be read, also while they grow; what is wrong with others."""
        events, ledger = _as_it_grows(self.events, _EVENT), _as_it_grows(self.ledger, _ENTRY)
        return events[0], ledger[0], events[1] + ledger[1]

    def read_ledger(self) -> list[dict[str, Any]]:
        """The lines of `ledger` that can be read: it only informs."""
        return [*map(dict, read_lines(self.ledger, _ENTRY))]


def _as_it_grows(file: Path, kind: TypeAdapter[Any]) -> tuple[list[dict[str, Any]], list[str]]:
    try:
        return read_lines(file, kind, remedy="the other lines are read"), []
    except InputError as error:
        return read_lines(file, kind), [str(error)]
