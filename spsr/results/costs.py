"""What the trainings of a preset cost, from their ledgers."""

from dataclasses import dataclass

from spsr.results.runs import Run


@dataclass(frozen=True)
class RunCost:
    """The cost of one training over all its executions.

    Attributes:
        seconds: spent in training steps.
        steps: that the ledger covers.
        samples_per_s, tflops: means over that time; None if they were not recorded.
        memory_mb: the largest peak.
        device: where it ran; several are joined.
    """

    run: Run
    seconds: float
    steps: int
    samples_per_s: float | None
    tflops: float | None
    memory_mb: float | None
    device: str


def run_cost(run: Run) -> RunCost | None:
    """The cost of a run; None if it has no ledger."""
    rows = [entry for entry in run.ledger if "seconds" in entry]
    if not rows:
        return None
    seconds = sum(row["seconds"] for row in rows)

    def mean(key: str) -> float | None:
        known = [row for row in rows if row.get(key) is not None]
        spent = sum(row["seconds"] for row in known)
        return sum(row[key] * row["seconds"] for row in known) / spent if spent else None

    memory = [row["peak_memory_mb"] for row in rows if "peak_memory_mb" in row]
    devices = dict.fromkeys(
        f"{entry.get('processes', 1)} × {entry['device']}" for entry in run.ledger if "device" in entry
    )
    return RunCost(
        run,
        seconds,
        max((row.get("step", row.get("steps", 0)) for row in rows), default=0),
        mean("samples_per_s"),
        mean("tflops"),
        max(memory, default=None),
        ", ".join(devices),
    )
